"""Exponential moving average of the weights, which evaluation uses."""

from __future__ import annotations

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from callbacks.training.divergence_checks import left_out_step
from callbacks.training.finite_state import running_statistics

_CURRENT = "current_model_state"  # as in Lightning's WeightAveraging


class WeightAverage(Callback):
    """Average the weights over the steps; validate, test and export the average.

    After each optimiser step, average = decay * average + (1 - decay) * weights, of the parameters and of the
    running statistics of batch normalisation. Training goes on with the weights themselves. In a checkpoint,
    ``state_dict`` has the average, so that ``test``, ``predict`` and ``weights`` of another run take it;
    ``current_model_state`` has the weights, with which a resumed run goes on. After the last step the module
    has the average.

    Lightning's ``EMAWeightAveraging`` averages the queues and counters of a method as well, or nothing but
    parameters, and ends its validation before evaluations that run at the end of it.

    Args:
        decay: From 0 (the average is the latest weights) to below 1.

    Raises:
        ValueError: ``decay`` is out of range.

    Source: Swetha5/Multi_Sinkhorn_Knopp, base/base_trainer.py and model/utils/utils.py, which does not
        evaluate the average; docs/methods/sspc.md#average-of-the-weights.
    """

    restores_weights = True

    def __init__(self, decay: float = 0.9999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"WeightAverage: decay={decay} must be from 0 to below 1")
        self._update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        self._average: dict[str, Tensor] = {}
        self._swapped = False
        self._last_step = 0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Forget the average of an earlier run."""
        if stage == "fit":
            self._average, self._swapped = {}, False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the average from the weights, unless a checkpoint has one."""
        self._last_step = trainer.global_step
        self._average = {
            name: self._average.get(name, value).detach().to(value.device, copy=True)
            for name, value in _averaged(pl_module).items()
        }

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the average after each optimiser step, not after each accumulated batch."""
        if trainer.global_step == self._last_step:
            return
        self._last_step = trainer.global_step
        current = {name: value.detach() for name, value in _averaged(pl_module).items()}
        if (left_out := left_out_step(trainer)) is not None:  # such a step breaks statistics, not weights
            for name in running_statistics(pl_module):
                current[name] = torch.where(left_out, self._average[name], current[name])
        self._update(list(self._average.values()), list(current.values()), self._last_step)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the module the average."""
        if trainer.state.fn == TrainerFn.FITTING and self._average:
            self._swap(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the module its weights again."""
        if self._swapped and trainer.state.fn == TrainerFn.FITTING:
            self._swap(pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the module the average."""
        self.on_validation_start(trainer, pl_module)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Store the average as the weights, and the weights beside it."""
        if self._average:
            module = {name: checkpoint["state_dict"][name] for name in self._average}
            average, current = (module, self._average) if self._swapped else (self._average, module)
            checkpoint["state_dict"] = {**checkpoint["state_dict"], **average}
            checkpoint[_CURRENT] = dict(current)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restore the average and the weights, where the run is resumed."""
        if trainer.state.fn != TrainerFn.FITTING:
            return
        if _CURRENT not in checkpoint:
            rank_zero_info("WeightAverage: the checkpoint has no average; it starts from the weights")
            return
        self._average = {name: checkpoint["state_dict"][name] for name in _averaged(pl_module)}
        pl_module.load_state_dict({**checkpoint["state_dict"], **checkpoint[_CURRENT]})

    @torch.no_grad()
    def _swap(self, module: LightningModule) -> None:
        for name, value in _averaged(module).items():
            kept = value.detach().clone()
            value.copy_(self._average[name])
            self._average[name].copy_(kept)
        self._swapped = not self._swapped


def _averaged(module: LightningModule) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **running_statistics(module)}
