"""Values that wander within a clip, so that what says nothing about its class never marks the clip.

Whatever stayed the same for a whole clip (a colour, a pitch, a level of noise) would tell clips of one
class apart as well as their class tells them from others, and a clustering could settle on it.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
import numpy.typing as npt

_GOLDEN = (np.sqrt(5) - 1) / 2
_GAPS = (0.7, 1.3)  # seconds between turning points
_GRID = 0.01  # seconds


def spread(rng: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    """Values ``(count,)`` in 0 to 1, each far from the one before, any few in a row covering the range.

    Steps of about the golden ratio, wrapped around: the mean of a few hardly differs between two draws.
    """
    steps = _GOLDEN + rng.uniform(-0.12, 0.12, count)
    return np.asarray((rng.random() + np.cumsum(steps)) % 1.0)


class Drift:
    """A value that glides from one turning point to the next, a new one every 0.7 to 1.3 s.

    Args:
        rng: Draws the turning points.
        seconds: It is defined from time 0 to this one.
        low: Least value.
        high: Largest value.
    """

    def __init__(self, rng: np.random.Generator, seconds: float, low: float = 0.0, high: float = 1.0) -> None:
        gaps = rng.uniform(*_GAPS, int(np.ceil(seconds / _GAPS[0])) + 2)
        times = np.cumsum(gaps) - gaps[0] - rng.uniform(0, _GAPS[0])
        self.seconds, self.times = seconds, times.tolist()
        self.values = (low + (high - low) * spread(rng, len(gaps))).tolist()

    def at(self, time: float) -> float:
        """The value at a time in seconds."""
        k = bisect_right(self.times, time) - 1
        place = (time - self.times[k]) / (self.times[k + 1] - self.times[k])
        ease = place * place * (3 - 2 * place)
        return float(self.values[k] + (self.values[k + 1] - self.values[k]) * ease)

    def over(self, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """:meth:`at` of many times ``(n,)`` at once, straight in between hundredths of a second."""
        grid = np.linspace(0, self.seconds, int(np.ceil(self.seconds / _GRID)) + 1)
        return np.interp(times, grid, [self.at(t) for t in grid.tolist()])
