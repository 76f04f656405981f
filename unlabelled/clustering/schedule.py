"""Schedules of clustering passes, in optimiser steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Schedule(Protocol):
    """Lists the optimiser steps of a run at which passes are due."""

    def due_steps(self, steps_per_epoch: int, max_epochs: int) -> list[float]:
        """Return sorted thresholds in steps; a pass is due at the first step at or after its threshold."""


class InverseQuadratic:
    """Passes that become rarer: ``t_i = T (i / (num_passes - 1))^power`` over the T steps of the run.

    The last threshold is T, which no step reaches, so there is one pass fewer. The released code of SeLaVi
    has power 1.5 (facebookresearch/selavi, opt.py).

    Args:
        num_passes: Number of thresholds (paper: 100).
        power: 2 is the paper's "inverse quadratic"; 1 spaces the passes evenly.

    Source: SeLaVi appendix A.2, after SeLa (arXiv:1911.05371); docs/methods/selavi.md#schedule.

    Example:
        >>> InverseQuadratic(num_passes=5).due_steps(steps_per_epoch=10, max_epochs=8)
        [0.0, 5.0, 20.0, 45.0, 80.0]
    """

    def __init__(self, num_passes: int = 100, power: float = 2.0) -> None:
        if num_passes < 1 or not power > 0:
            raise ValueError(
                f"InverseQuadratic: num_passes is {num_passes} and power {power}, "
                "expected num_passes >= 1 and power > 0"
            )
        self.num_passes = num_passes
        self.power = power

    def due_steps(self, steps_per_epoch: int, max_epochs: int) -> list[float]:
        """Return ``num_passes`` thresholds from 0 to T; a single threshold is 0."""
        total = _total_steps(steps_per_epoch, max_epochs)
        last = max(self.num_passes - 1, 1)
        return [total * (i / last) ** self.power for i in range(self.num_passes)]


class Every:
    """Passes at regular intervals, from step 0 on.

    Args:
        steps: Optimiser steps between passes.
        epochs: Epochs between passes; exactly one of ``steps`` and ``epochs`` is required.

    Example:
        >>> Every(epochs=2).due_steps(steps_per_epoch=10, max_epochs=5)
        [0.0, 20.0, 40.0]
    """

    def __init__(self, steps: int | None = None, epochs: int | None = None) -> None:
        if (steps is None) == (epochs is None):
            raise ValueError(f"Every: steps is {steps} and epochs is {epochs}, expected exactly one of them")
        if (steps if steps is not None else epochs or 0) < 1:
            raise ValueError(f"Every: steps is {steps} and epochs is {epochs}, expected a number >= 1")
        self.steps = steps
        self.epochs = epochs

    def due_steps(self, steps_per_epoch: int, max_epochs: int) -> list[float]:
        """Return the multiples of the interval before the run's end."""
        total = _total_steps(steps_per_epoch, max_epochs)
        interval = self.steps if self.steps is not None else (self.epochs or 1) * steps_per_epoch
        return [float(step) for step in range(0, total, interval)]


def _total_steps(steps_per_epoch: int, max_epochs: int) -> int:
    if steps_per_epoch < 1 or max_epochs < 1:
        raise ValueError(
            f"a schedule of passes needs a run of known length, but steps_per_epoch is {steps_per_epoch} and "
            f"max_epochs is {max_epochs}: set trainer.max_epochs, and check that an epoch has a full batch"
        )
    return steps_per_epoch * max_epochs


class PassClock:
    """Counts passes and compares them with thresholds; at most one pass per step, further ones later.

    Args:
        thresholds: Sorted, in optimiser steps, as :meth:`Schedule.due_steps` returns them.
    """

    def __init__(self, thresholds: Sequence[float]) -> None:
        self.thresholds = list(thresholds)
        if self.thresholds != sorted(self.thresholds):
            raise ValueError("PassClock: the thresholds must be sorted, from early to late")
        self.done = 0
        self._step = -1  # argument of the last call of `due`
        self._last = (
            -1
        )  # step of the last pass; with gradient accumulation `due` is called repeatedly for a step

    def due(self, step: int) -> bool:
        """Return whether a pass is due before optimiser step ``step``; then call :meth:`advance`."""
        self._step = step
        return step != self._last and self.done < len(self.thresholds) and step >= self.thresholds[self.done]

    def advance(self) -> None:
        """Record the pass at the step of the last call of :meth:`due`."""
        if self.done >= len(self.thresholds):
            raise RuntimeError(
                f"PassClock: all {self.done} passes were made already; call `due` before `advance`"
            )
        self.done += 1
        self._last = self._step

    def advance_past(self, step: int) -> None:
        """Count all thresholds up to ``step`` as passed, with one pass for all of them."""
        while self.done < len(self.thresholds) and self.thresholds[self.done] <= step:
            self.done += 1
        self._last = self._step = step

    def state_dict(self) -> dict[str, Any]:
        """Return the number of passes and the step of the last one, without the thresholds."""
        return {"done": self.done, "last_step": self._last}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the result of ``state_dict``.

        Raises:
            ValueError: The checkpoint has more passes than this schedule.
        """
        done = int(state_dict["done"])
        if not 0 <= done <= len(self.thresholds):
            raise ValueError(
                f"PassClock: the checkpoint made {done} passes, but this run's schedule has only "
                f"{len(self.thresholds)}: resume with the schedule of the checkpoint"
            )
        self.done = done
        self._last = self._step = int(state_dict["last_step"])
