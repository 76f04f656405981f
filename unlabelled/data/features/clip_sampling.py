"""Which seconds of a captioned video make a training clip, and which captions go with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

AudioShift = Literal["forward", "random", "none"]


class Spans(Protocol):
    """Captions in time, sorted by ``starts``; seconds ``(n,)`` each."""

    @property
    def starts(self) -> NDArray[np.float64]:
        """When each begins."""
        ...

    @property
    def ends(self) -> NDArray[np.float64]:
        """When each ends."""
        ...


@dataclass(frozen=True)
class ClipWindow:
    """A training clip.

    Attributes:
        start: First second of its pictures.
        end: Last one.
        audio_start: First second of its sound.
        audio_end: Last one.
        captions: Those that are spoken, in the order in which their words are taken; none: no speech.
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

    A window of ``min_time`` seconds is drawn. If a caption is being spoken at its start, or else at its end,
    the clip grows around this caption (:func:`grow`); if not, the window is the clip, without words.

    Args:
        captions: Of the video; may be none.
        duration: Length of the video in seconds; the fraction of the last one does not count.
        rng: All randomness comes from here.
        min_time: Seconds that a clip lasts, at least.
        audio_shift: Where the sound of a clip with words begins, and lasts ``min_time`` seconds: half of it
            later than the clip (``forward``: what the released code always does), earlier or later with equal
            chances (``random``: what it means to do); ``none``: the sound of the clip's own seconds.

    Source: reference sspc.md sections 2.3 and 7.10.
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
    """Return the last caption that has begun before a second, if it has not ended by then."""
    place = int(np.searchsorted(captions.starts, second, side="left")) - 1
    return place if place >= 0 and captions.ends[place] >= second else None


def grow(captions: Spans, chosen: int, min_time: float) -> tuple[int, ...]:
    """Return the captions of a window of ``min_time`` seconds or more, in the order in which they were added.

    The previous or the next caption is added, whichever makes the shorter window (the previous one, if both
    do), until the window is long enough or there are no more. So the words of previous captions follow those
    of later ones.
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
