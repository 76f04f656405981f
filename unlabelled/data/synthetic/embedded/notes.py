"""When things happen in a clip: the one source of timing for both its picture and its sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unlabelled.data.synthetic.embedded.motion import Drift

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

    def times(self, cycles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The times ``(n,)`` at which so many cycles are done: :meth:`cycles` reversed."""
        return np.interp(cycles, np.arange(len(self.onsets)), self.onsets)


def draw_score(rng: np.random.Generator, duration: float, tempo: tuple[float, float]) -> Score:
    """Draw a beat, now faster, now slower: a rate that drifts within ``tempo`` (onsets per second)."""
    lead = 4 / tempo[0]  # so that what still sounds or moves at time 0 is there as well
    end = lead + duration + 2 / tempo[0]
    rate = Drift(rng, end, *tempo)
    onsets = [rng.uniform(0, 1 / tempo[1])]
    while onsets[-1] < end:
        onsets.append(onsets[-1] + 1 / rate.at(onsets[-1]))
    return Score(np.asarray(onsets) - lead, rng.uniform(0.65, 1.0, len(onsets)))
