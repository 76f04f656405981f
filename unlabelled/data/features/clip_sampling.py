"""Sampling of training clips from a captioned video: their seconds and their captions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

AudioShift = Literal["forward", "random", "none"]


class Spans(Protocol):
    """Times of captions in seconds, ``(n,)`` each, sorted by ``starts``."""

    @property
    def starts(self) -> NDArray[np.float64]:
        """Starts of the captions."""
        ...

    @property
    def ends(self) -> NDArray[np.float64]:
        """Ends of the captions."""
        ...


@dataclass(frozen=True)
class ClipWindow:
    """A training clip.

    Attributes:
        start: Start of the video, in seconds.
        end: End of the video.
        audio_start: Start of the audio.
        audio_end: End of the audio.
        captions: Rows of the spoken captions, in the order in which their words are taken; empty: no speech.
    """

    start: float
    end: float
    audio_start: float
    audio_end: float
    captions: tuple[int, ...] = ()


def sample_clip(
    captions: Spans,
    duration: float,
    rng: np.random.Generator,
    min_time: float = 8.0,
    audio_shift: AudioShift = "forward",
) -> ClipWindow:
    """Draw a clip.

    A window of ``min_time`` seconds is drawn. If a caption is spoken at its start, or else at its end, the
    clip is grown around this caption (:func:`grow`); if not, the window is the clip, without words.

    Args:
        captions: Captions of the video; may be empty.
        duration: Length of the video in seconds, rounded down.
        rng: Source of all randomness.
        min_time: Least length of a clip, in seconds.
        audio_shift: Start of the audio of a clip with words, which lasts ``min_time`` seconds: half of that
            after the start of the clip (``forward``, the behaviour of the released code), before or after it
            with equal probability (``random``, its apparent intention); ``none``: the span of the clip.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/dataset/howto_dataset.py;
    docs/methods/sspc.md#clip-sampling.
    """
    start = float(rng.uniform(0.0, max(0.0, int(duration) - min_time)))
    end = start + min_time
    chosen = spoken_at(captions, start)
    if chosen is None:
        chosen = spoken_at(captions, end)
    if chosen is None:
        return ClipWindow(start, end, start, end)
    order = grow(captions, chosen, min_time)
    start, end = float(captions.starts[min(order)]), float(captions.ends[max(order)])
    return ClipWindow(start, end, *_audio_span(start, end, rng, min_time, audio_shift), order)


def spoken_at(captions: Spans, second: float) -> int | None:
    """Return the index of the last caption that starts before a second, if it ends later, or None."""
    index = int(np.searchsorted(captions.starts, second, side="left")) - 1
    return index if index >= 0 and captions.ends[index] >= second else None


def grow(captions: Spans, chosen: int, min_time: float) -> tuple[int, ...]:
    """Return the captions of a window of ``min_time`` seconds or more, in the order in which they were added.

    The previous or the next caption is added, whichever gives the shorter window (the previous one at a tie),
    until the window is long enough or there are no more captions. Words of previous captions may therefore
    follow those of later ones.
    """
    starts, ends, number = captions.starts, captions.ends, len(captions.starts)
    first = last = chosen
    order = [chosen]
    while ends[last] - starts[first] < min_time and (first > 0 or last < number - 1):
        with_previous = ends[last] - starts[first - 1] if first > 0 else np.inf
        with_next = ends[last + 1] - starts[first] if last < number - 1 else np.inf
        if with_previous <= with_next:
            first -= 1
            order.append(first)
        else:
            last += 1
            order.append(last)
    return tuple(order)


def _audio_span(
    start: float, end: float, rng: np.random.Generator, min_time: float, audio_shift: AudioShift
) -> tuple[float, float]:
    if audio_shift == "none":
        return start, end
    forward = audio_shift == "forward" or rng.random() < 0.5
    begin = start + (0.5 if forward else -0.5) * min_time
    return begin, begin + min_time
