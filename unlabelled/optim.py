"""Learning-rate schedules, and :class:`~unlabelled.lars.LARS`, which is imported where it is named."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

if TYPE_CHECKING:
    from unlabelled.lars import LARS

__all__ = [
    "LARS",
    "PiecewiseLR",
    "StepSchedule",
    "WarmupCosine",
    "WarmupSteps",
    "batchnorm_parameters",
    "without_batchnorm_decay",
]


def __getattr__(name: str) -> Any:
    if name != "LARS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from unlabelled.lars import LARS  # its library takes 0.4 s

    return LARS


class StepSchedule(LRScheduler):
    """Base of schedules in optimiser steps, whose shape depends on the length of the run and of an epoch.

    :meth:`set_horizon` must be called before the first step. The length of the run is not in ``state_dict``:
    a resumed run continues at its step, on the curve for its own length.

    Args:
        optimizer: Its rates are the peaks, group by group.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._horizon: tuple[int, float] | None = None
        super().__init__(optimizer)

    def set_horizon(self, total_steps: int, steps_per_epoch: float) -> None:
        """Set the length of the run and the rate of the current step.

        Args:
            total_steps: Optimiser steps of the whole run.
            steps_per_epoch: Optimiser steps per epoch.

        Raises:
            ValueError: One of the two is not positive and finite.
        """
        if not 1 <= total_steps < math.inf or not 0 < steps_per_epoch < math.inf:
            raise ValueError(
                f"{type(self).__name__}: the run has {total_steps} steps and {steps_per_epoch} per epoch, "
                "expected positive numbers; set trainer.max_epochs or trainer.max_steps"
            )
        self._horizon = total_steps, steps_per_epoch
        self._apply()

    def get_lr(self) -> list[float | Tensor]:
        """Return the rate of each group at the current step.

        Raises:
            RuntimeError: The length of the run is not set, except at construction, when rates do not change.
        """
        if self._horizon is None and self._is_initial:
            return [group["lr"] for group in self.optimizer.param_groups]
        if self._horizon is None:
            name = type(self).__name__
            raise RuntimeError(f"{name}: call set_horizon(total_steps, steps_per_epoch) before step()")
        factor = self._factor(self.last_epoch, *self._horizon)
        return [peak * factor for peak in self.base_lrs]

    @abstractmethod
    def _factor(self, step: int, total_steps: int, steps_per_epoch: float) -> float:
        """Return the rate at a step as a share of the peak."""

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


class WarmupCosine(StepSchedule):
    """Linear warm-up from zero to the optimiser's rate, then cosine decay, both counted in optimiser steps.

    With W steps of warm-up of T in all, and peak p: ``p t / (W - 1)`` for ``t < W`` (the first step has rate
    zero), then ``p (e + (1 - e) (1 + cos(pi (t - W) / (T - W))) / 2)`` with e = ``end_factor``. A run that is
    shorter than the warm-up stops within it.

    Args:
        optimizer: Its rates are the peaks, group by group.
        warmup_epochs: Length of the warm-up; 0: the run starts at the peak.
        end_factor: e, the rate at the end as a share of the peak.

    Raises:
        ValueError: ``warmup_epochs`` or ``end_factor`` is negative.

    Source: closed form of juliendenize/eztorch,
    eztorch/schedulers/linear_warmup_cosine_annealing_lr.py; docs/methods/sce.md#optimiser-and-schedule.

    Example:
        >>> import torch
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
        super().__init__(optimizer)

    def _factor(self, step: int, total_steps: int, steps_per_epoch: float) -> float:
        warmup = round(self.warmup_epochs * steps_per_epoch)
        if step < warmup:
            return step / max(warmup - 1, 1)
        progress = min((step - warmup) / max(total_steps - warmup, 1), 1.0)
        return self.end_factor + (1 - self.end_factor) * (1 + math.cos(math.pi * progress)) / 2


class WarmupSteps(StepSchedule):
    """Linear warm-up of a part of an epoch or more, then a rate that drops at the end of given epochs.

    With W steps of warm-up and peak p: ``p (s + (1 - s) t / W)`` for ``t < W``, s = ``start_factor``, then p,
    multiplied by ``gamma`` from each milestone on.

    Args:
        optimizer: Its rates are the peaks, group by group.
        milestones: Epochs, ascending, at whose start the rate drops.
        gamma: Factor of each drop.
        warmup_epochs: Length of the warm-up, before the first milestone; 0: the run starts at the peak.
        start_factor: s, the rate of the first step as a share of the peak.

    Raises:
        ValueError: The milestones do not ascend from the end of the warm-up, or a number is negative.

    Source: policy ``steps_with_relative_lrs`` of facebookresearch/SlowFast, slowfast/utils/lr_policy.py;
    docs/methods/sce.md#something-something-v2.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = WarmupSteps(optimizer, milestones=[2], warmup_epochs=0.5, start_factor=0.1)
        >>> schedule.set_horizon(total_steps=6, steps_per_epoch=2)
        >>> rates = []
        >>> for _ in range(6):
        ...     rates.append(round(schedule.get_last_lr()[0], 3))
        ...     optimizer.step()
        ...     schedule.step()
        >>> rates
        [0.1, 1.0, 1.0, 1.0, 0.1, 0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: list[float],
        gamma: float = 0.1,
        warmup_epochs: float = 0.0,
        start_factor: float = 0.0,
    ) -> None:
        ends = [warmup_epochs, *milestones]
        if ends != sorted(ends) or min(warmup_epochs, gamma, start_factor) < 0:
            raise ValueError(
                f"WarmupSteps: milestones={milestones} must ascend from warmup_epochs={warmup_epochs}, and "
                f"gamma={gamma} and start_factor={start_factor} be at least 0"
            )
        self.milestones, self.gamma = milestones, gamma
        self.warmup_epochs, self.start_factor = warmup_epochs, start_factor
        super().__init__(optimizer)

    def _factor(self, step: int, total_steps: int, steps_per_epoch: float) -> float:
        epoch = step / steps_per_epoch
        if epoch < self.warmup_epochs:
            return self.start_factor + (1 - self.start_factor) * epoch / self.warmup_epochs
        return self.gamma ** sum(epoch >= milestone for milestone in self.milestones)


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


def batchnorm_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Return scale and shift of each BatchNorm of a module, to which some recipes apply no weight decay."""
    layers = [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    return [parameter for layer in layers for parameter in layer.parameters(recurse=False)]


def without_batchnorm_decay(
    parameters: Iterable[nn.Parameter], norms: Iterable[nn.Parameter]
) -> list[dict[str, Any]]:
    """Return groups of an optimiser: all other parameters, and those of BatchNorm without weight decay.

    Args:
        parameters: All parameters.
        norms: Those of :func:`batchnorm_parameters`; none: one group.
    """
    kept = list(norms)
    without = {id(parameter) for parameter in kept}
    rest = [parameter for parameter in parameters if id(parameter) not in without]
    return [{"params": rest}, *([{"params": kept, "weight_decay": 0.0}] if kept else [])]
