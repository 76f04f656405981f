"""Parts of an audio track between its gaps, and spans that are cut out of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.reader import DecodeError
from unlabelled.data.media.streams import UNDECODABLE

Samples = NDArray[np.float32]

# A span without audio is silence, unless it is in a gap of more seconds than this: there the clock jumps.
_LONGEST_SILENCE = 10.0


class AudioPart(NamedTuple):
    """Samples without a gap, and the number of the first one from the beginning of the presentation on."""

    begin: int
    samples: Samples


def cut_parts(
    path: str, parts: Iterable[AudioPart], start: float, duration: float, sample_rate: int
) -> Samples:
    """Return samples ``(round(duration * sample_rate),)`` from second ``start``; zeros where there are none.

    Raises:
        DecodeError: The span is in a long gap.
    """
    out, first, empty = np.zeros(round(duration * sample_rate), np.float32), round(start * sample_rate), True
    for part in parts:
        begin = part.begin - first
        if empty and begin >= len(out):
            check_gap(path, start + duration, part.begin / sample_rate)
        empty = not copy_block(out, part.samples, begin) and empty
    return out


def copy_block(out: Samples, block: Samples, begin: int) -> bool:
    """Copy what a block at position ``begin`` has in common with ``out``; return whether there is any."""
    first, last = max(begin, 0), min(begin + len(block), len(out))
    if first < last:
        out[first:last] = block[first - begin : last - begin]
    return first < last


def check_gap(path: str, second: float, resumes: float) -> None:
    """Raise `DecodeError` if the audio after a span that ends at ``second`` resumes much later."""
    if resumes - second > _LONGEST_SILENCE:
        raise DecodeError(path, f"{UNDECODABLE}: no audio from {second:.2f} s to {resumes:.2f} s")
