"""When things happen in a clip: the one source of timing for both its picture and its sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Score:
    """The onsets of a clip; they reach beyond both its ends, so that every time lies in some cycle.

    Args:
        onsets: ``(n,)`` seconds, rising.
        strengths: ``(n,)`` loudness of each onset, and the size of its visible movement, 0 to 1.
    """

    onsets: npt.NDArray[np.float64]
    strengths: npt.NDArray[np.float64]

    def index(self, time: float) -> int:
        """The latest onset at or before a time (seconds)."""
        return int(np.searchsorted(self.onsets, time, side="right")) - 1

    def since(self, time: float) -> float:
        """Seconds since the latest onset."""
        return float(time - self.onsets[self.index(time)])

    def strength(self, time: float) -> float:
        """Strength of the latest onset."""
        return float(self.strengths[self.index(time)])

    def cycle(self, time: float) -> float:
        """Cycles done at a time: whole at each onset, straight in between."""
        return float(self.cycles(np.asarray([time]))[0])

    def cycles(self, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """:meth:`cycle` of many times ``(n,)`` at once."""
        return np.interp(times, self.onsets, np.arange(len(self.onsets)))


def draw_score(rng: np.random.Generator, duration: float, tempo: tuple[float, float]) -> Score:
    """Draw a steady but human beat: a rate from ``tempo`` (onsets per second), 5% of jitter."""
    period = 1.0 / rng.uniform(*tempo)
    count = int(np.ceil(duration / period * 1.2)) + 6
    gaps = period * (1.0 + 0.05 * np.clip(rng.standard_normal(count), -2, 2))
    # Four cycles before the start, so that what still sounds or moves at time 0 is there as well.
    onsets = np.cumsum(gaps) - period * rng.uniform(3.0, 4.0)
    return Score(onsets=onsets, strengths=rng.uniform(0.65, 1.0, count))
