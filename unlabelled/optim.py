"""Learning-rate schedules, and :class:`~unlabelled.lars.LARS`, which is imported where it is named."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

if TYPE_CHECKING:
    from unlabelled.lars import LARS

__all__ = ["LARS", "PiecewiseLR", "WarmupCosine"]


def __getattr__(name: str) -> Any:
    if name != "LARS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from unlabelled.lars import LARS  # its library takes 0.4 s

    return LARS


class WarmupCosine(LRScheduler):
    """Linear warm-up from zero to the optimiser's rate, then cosine decay, both counted in optimiser steps.

    With W steps of warm-up of T in all, and peak p: ``p t / (W - 1)`` for ``t < W`` (the first step has rate
    zero), then ``p (e + (1 - e) (1 + cos(pi (t - W) / (T - W))) / 2)`` with e = ``end_factor``. A run that is
    shorter than the warm-up stops within it.

    :meth:`set_horizon` must be called before the first step. The length of the run is not in ``state_dict``:
    a resumed run continues at its step, on the curve for its own length.

    Args:
        optimizer: Its rates are the peaks, group by group.
        warmup_epochs: Length of the warm-up; 0: the run starts at the peak.
        end_factor: e, the rate at the end as a share of the peak.

    Raises:
        ValueError: ``warmup_epochs`` or ``end_factor`` is negative.

    Source: closed form of juliendenize/eztorch,
    eztorch/schedulers/linear_warmup_cosine_annealing_lr.py; docs/methods/sce.md#optimiser-and-schedule.

    Example:
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = WarmupCosine(optimizer, warmup_epochs=1)
        >>> schedule.set_horizon(total_steps=7, steps_per_epoch=3)
        >>> rates = []
        >>> for _ in range(8):
        ...     rates.append(round(schedule.get_last_lr()[0], 3))
        ...     optimizer.step()
        ...     schedule.step()
        >>> rates
        [0.0, 0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
    """

    def __init__(self, optimizer: Optimizer, warmup_epochs: float = 0, end_factor: float = 0.0) -> None:
        if warmup_epochs < 0 or end_factor < 0:
            raise ValueError(
                f"WarmupCosine: warmup_epochs is {warmup_epochs} and end_factor {end_factor}, "
                "expected numbers >= 0"
            )
        self.warmup_epochs, self.end_factor = warmup_epochs, end_factor
        self._horizon: tuple[int, int] | None = None
        super().__init__(optimizer)

    def set_horizon(self, total_steps: int, steps_per_epoch: float) -> None:
        """Set the length of the run and the rate of the current step.

        Args:
            total_steps: T, optimiser steps of the whole run.
            steps_per_epoch: Optimiser steps per epoch; W is ``warmup_epochs`` times this, rounded.

        Raises:
            ValueError: One of the two is not positive and finite.
        """
        if not 1 <= total_steps < math.inf or not 0 < steps_per_epoch < math.inf:
            raise ValueError(
                f"WarmupCosine: the run has {total_steps} steps and {steps_per_epoch} per epoch, expected "
                "positive numbers; set trainer.max_epochs or trainer.max_steps"
            )
        self._horizon = round(self.warmup_epochs * steps_per_epoch), total_steps
        self._apply()

    def get_lr(self) -> list[float | Tensor]:
        """Return the rate of each group at the current step.

        Raises:
            RuntimeError: The length of the run is not set, except at construction, when rates do not change.
        """
        if self._horizon is None and self._is_initial:
            return [group["lr"] for group in self.optimizer.param_groups]
        return [peak * self._factor() for peak in self.base_lrs]

    def _factor(self) -> float:
        if self._horizon is None:
            raise RuntimeError("WarmupCosine: call set_horizon(total_steps, steps_per_epoch) before step()")
        (warmup, total), step = self._horizon, self.last_epoch
        if step < warmup:
            return step / max(warmup - 1, 1)
        progress = min((step - warmup) / max(total - warmup, 1), 1.0)
        return self.end_factor + (1 - self.end_factor) * (1 + math.cos(math.pi * progress)) / 2

    def _apply(self) -> None:
        """Set the rates of the optimiser for the current step."""
        self._last_lr = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = rate

    def state_dict(self) -> dict[str, Any]:
        """Return the position and the peaks; the configuration defines the shape of the curve."""
        return {"last_epoch": self.last_epoch, "_step_count": self._step_count, "base_lrs": self.base_lrs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the position, and the rates of the optimiser if the length of the run is set."""
        super().load_state_dict(state_dict)
        if self._horizon is not None:
            self._apply()


class PiecewiseLR(LambdaLR):
    """Multiply the learning rate by a list of factors, each for a number of epochs, the last one to the end.

    Args:
        optimizer: Its rates are multiplied by the factors.
        factors: Factors in the order of time.
        epochs: Number of epochs for each factor.

    Raises:
        ValueError: ``factors`` is empty or ``epochs`` below 1.

    Source: facebookresearch/selavi, finetune_video.py; facebookresearch/GDT, scripts/run_finetune.sh;
    docs/methods/selavi.md#fine-tuning.
    """

    def __init__(self, optimizer: Optimizer, factors: list[float], epochs: int = 1) -> None:
        if not factors or epochs < 1:
            raise ValueError(
                f"PiecewiseLR: factors={factors} and epochs={epochs}; expected at least 1 of each"
            )
        super().__init__(optimizer, lambda epoch: factors[min(epoch // epochs, len(factors) - 1)])
