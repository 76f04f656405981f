"""Choice of the seconds of a clip in a file, and differences of its frames."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from unlabelled.data.media.reader import Reader
from unlabelled.pipelines.base import read_frames
from unlabelled.transforms.difference import kept_frames, rgb_difference


class Span(NamedTuple):
    """A part of a file, in seconds."""

    start: float
    length: float


def random_span(duration: float, length: float, rng: np.random.Generator) -> Span:
    """Return a random span of ``length`` seconds, or the whole file if ``duration`` is shorter."""
    return _cut(duration, length, rng.uniform(0, max(duration - length, 0.0)))


def even_spans(duration: float, length: float, count: int) -> list[Span]:
    """Return ``count`` spans with equally spaced starts; a single one is the middle of the file.

    Span j starts at ``j max(D - L, 0) / (count - 1)``, with the duration D of the file and the length L.

    Example:
        >>> [span.start for span in even_spans(duration=10.0, length=4.0, count=3)]
        [0.0, 3.0, 6.0]

    Source: SCE appendix D.3; docs/methods/sce.md#thirty-crops.
    """
    slack = max(duration - length, 0.0)
    if count == 1:
        return [_cut(duration, length, slack / 2)]
    return [_cut(duration, length, j * slack / (count - 1)) for j in range(count)]


def _cut(duration: float, length: float, start: float) -> Span:
    """Return a span clipped to the file; unclipped if the duration of the file is 0 (unknown)."""
    return Span(start, min(length, duration) if duration > 0 else length)


def draw_short_side(bounds: tuple[int, int] | None, rng: np.random.Generator) -> int | None:
    """Draw a short side between ``bounds``; ``None``: that of the file."""
    return None if bounds is None else round(rng.uniform(*bounds))


def read_difference(
    reader: Reader, path: str, start: float, length: float, num_frames: int, short_side: int | None
) -> Tensor:
    """Return the differences ``(T, 3, H, W)`` of the frames of a span; see :func:`rgb_difference`.

    All native frames of the span are read, as a decoder has to decode them in any case.

    Raises:
        DecodeError: The file cannot be read.
    """
    fps = reader.info(path).fps
    native = max(1, round(length * fps))
    seconds = native / fps if native > 1 else length  # steps of exactly one native frame
    frames = read_frames(reader, path, start, seconds, native, short_side)
    return rgb_difference(frames, kept_frames(native, num_frames))


def to_clip(frames: Tensor) -> Tensor:
    """Return frames ``(T, 3, H, W)`` as a clip ``(3, T, H, W)``."""
    return frames.transpose(0, 1).contiguous()
