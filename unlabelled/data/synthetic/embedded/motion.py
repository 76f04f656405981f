"""Values that drift within a clip, for properties that are independent of the class.

A property that is constant in a clip (a colour, a pitch, a noise level) would distinguish the clips of a
class as well as the class distinguishes them from others, and a clustering could find it instead of the
class.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
import numpy.typing as npt

_GOLDEN = (np.sqrt(5) - 1) / 2
_GAPS = (0.7, 1.3)  # seconds between turning points
_GRID = 0.01  # seconds


def spread(rng: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    """Return values ``(count,)`` in 0 to 1, each far from the previous one; a few in a row cover the range.

    The steps are about the golden ratio, modulo 1: the mean of a few values hardly differs between two draws.
    """
    steps = _GOLDEN + rng.uniform(-0.12, 0.12, count)
    return np.asarray((rng.random() + np.cumsum(steps)) % 1.0)


class Drift:
    """A smooth function of time with a turning point every 0.7 to 1.3 s.

    Args:
        rng: Source of the turning points.
        seconds: Duration; the function is defined from 0 to this time.
        low: Smallest value.
        high: Largest value.
    """

    def __init__(self, rng: np.random.Generator, seconds: float, low: float = 0.0, high: float = 1.0) -> None:
        gaps = rng.uniform(*_GAPS, int(np.ceil(seconds / _GAPS[0])) + 2)
        times = np.cumsum(gaps) - gaps[0] - rng.uniform(0, _GAPS[0])
        self.seconds, self.times = seconds, times.tolist()
        self.values = (low + (high - low) * spread(rng, len(gaps))).tolist()

    def at(self, time: float) -> float:
        """Return the value at a time in seconds."""
        k = bisect_right(self.times, time) - 1
        position = (time - self.times[k]) / (self.times[k + 1] - self.times[k])
        ease = position * position * (3 - 2 * position)
        return float(self.values[k] + (self.values[k + 1] - self.values[k]) * ease)

    def over(self, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return :meth:`at` of several times ``(n,)``, with linear interpolation on a grid of 0.01 s."""
        grid = np.linspace(0, self.seconds, int(np.ceil(self.seconds / _GRID)) + 1)
        return np.interp(times, grid, [self.at(t) for t in grid.tolist()])
