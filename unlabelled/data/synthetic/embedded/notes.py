"""Times of the events of a clip, common to its video and its audio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unlabelled.data.synthetic.embedded.motion import Drift

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Score:
    """The onsets of a clip; they extend beyond both ends, so that every time lies in a cycle.

    Args:
        onsets: ``(n,)`` seconds, ascending.
        strengths: ``(n,)`` loudness of each onset, and amplitude of its visible motion, 0 to 1.
    """

    onsets: npt.NDArray[np.float64]
    strengths: npt.NDArray[np.float64]

    def index(self, time: float) -> int:
        """Return the index of the latest onset at or before a time in seconds."""
        return int(np.searchsorted(self.onsets, time, side="right")) - 1

    def since(self, time: float) -> float:
        """Return the seconds since the latest onset."""
        return float(time - self.onsets[self.index(time)])

    def strength(self, time: float) -> float:
        """Return the strength of the latest onset."""
        return float(self.strengths[self.index(time)])

    def cycle(self, time: float) -> float:
        """Return the number of cycles until a time: whole at onsets, linear between them."""
        return float(self.cycles(np.asarray([time]))[0])

    def cycles(self, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return :meth:`cycle` of several times ``(n,)``."""
        return np.interp(times, self.onsets, np.arange(len(self.onsets)))

    def times(self, cycles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the times ``(n,)`` of given numbers of cycles, the inverse of :meth:`cycles`."""
        return np.interp(cycles, np.arange(len(self.onsets)), self.onsets)


def draw_score(rng: np.random.Generator, duration: float, tempo: tuple[float, float]) -> Score:
    """Draw onsets at a rate that drifts within ``tempo`` (onsets per second)."""
    lead = 4 / tempo[0]  # events before time 0 may still be audible or visible at 0
    end = lead + duration + 2 / tempo[0]
    rate = Drift(rng, end, *tempo)
    onsets = [rng.uniform(0, 1 / tempo[1])]
    while onsets[-1] < end:
        onsets.append(onsets[-1] + 1 / rate.at(onsets[-1]))
    return Score(np.asarray(onsets) - lead, rng.uniform(0.65, 1.0, len(onsets)))
