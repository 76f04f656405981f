"""Anderson's extrapolation of fixed-point iterations (Anderson 1965; Walker and Ni 2011)."""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

import torch
from torch import Tensor

_NEAR = 0.5  # error from which points are close enough to the solution to extrapolate
_LONGEST = 2.0  # largest change of a coordinate by an extrapolation
_PLAIN_STEPS = 2  # before the first extrapolation, and after one that failed
_WORSE = 10.0  # an extrapolation has failed if the error is this many times the lowest one,
_PATIENCE = 8  # or if so many steps have not lowered it
_FAILURES = 2  # after these the other stepper takes over
_RIDGE = 1e-14  # relative to the trace, since residuals become dependent near the solution


class Stepper(Protocol):
    """Chooses the next point of a fixed-point iteration."""

    def step(self, point: Tensor, residual: Tensor, error: float) -> Tensor:
        """Return the next point for a point, its residual (next plain point less the point) and its error."""
        ...


class Extrapolation:
    """Combines the last points such that their combined residual is smallest.

    Where that does not lower the error, it returns to the best point, and after two times another stepper
    continues from there. Far from the solution, where extrapolations go astray, the other one steps as well.

    Args:
        memory: Number of earlier points in a combination.
        fallback: The other stepper.
    """

    def __init__(self, memory: int, fallback: Stepper) -> None:
        self._fallback, self._failures = fallback, 0
        self._last: deque[tuple[Tensor, Tensor]] = deque(maxlen=memory + 1)
        self._best: tuple[Tensor, Tensor] | None = None
        self._best_error, self._steps_since = math.inf, 0
        self._plain_left = _PLAIN_STEPS

    def step(self, point: Tensor, residual: Tensor, error: float) -> Tensor:
        """Return the next point."""
        if self._failures == _FAILURES or (error > _NEAR and self._best is None):
            return self._fallback.step(point, residual, error)
        self._steps_since += 1
        if error < self._best_error:
            self._best, self._best_error, self._steps_since = (point, residual), error, 0
        if self._best is not None and not self._is_useful(error):
            return self._begin_again(*self._best)
        self._last.append((point, residual))
        if self._plain_left:
            self._plain_left -= 1
            return point + residual
        return self._combined(point, residual)

    def _is_useful(self, error: float) -> bool:
        return error <= _WORSE * self._best_error and self._steps_since < _PATIENCE

    def _begin_again(self, point: Tensor, residual: Tensor) -> Tensor:
        self._last.clear()
        self._failures, self._steps_since, self._plain_left = self._failures + 1, 0, _PLAIN_STEPS
        return point + residual

    def _combined(self, point: Tensor, residual: Tensor) -> Tensor:
        points, residuals = (torch.stack(each, 1) for each in zip(*self._last, strict=True))
        moved, changed = points.diff(dim=1), residuals.diff(dim=1)
        gram = changed.T @ changed
        gram.diagonal().add_(_RIDGE * gram.trace())
        weights, _ = torch.linalg.solve_ex(gram, changed.T @ residual)
        step: Tensor = residual - (moved + changed) @ weights
        longest = float(step.abs().amax())
        if not math.isfinite(longest):
            return point + residual
        return point + step * min(1.0, _LONGEST / max(longest, _LONGEST))
