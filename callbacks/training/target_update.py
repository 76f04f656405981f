"""Update of the target network after each step."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException

from unlabelled.contracts import HasTarget
from unlabelled.nn.target import copy_online, cosine_momentum, update_target


class TargetUpdate(Callback):
    """Update the target network of the method, an EMA of the online network, once per optimiser step.

    The momentum changes from ``momentum`` at the first step to ``final_momentum`` at the last, along a half
    cosine. At the start of a run the target network is a copy of the online network, also if the weights of
    the online network come from a checkpoint.

    Args:
        momentum: Momentum of the first step.
        final_momentum: Momentum of the last step; equal to ``momentum`` for a constant momentum.

    Raises:
        ValueError: A momentum is not in 0 to 1.
        MisconfigurationException: The method has no target network
            (:class:`unlabelled.contracts.HasTarget`), or the run has no last step.

    Source: SCE Eq. 2 and appendix D; docs/methods/sce.md#queue-and-target-network.
    """

    logs: ClassVar[tuple[str, ...]] = ("train/momentum",)

    serves: ClassVar[type] = HasTarget

    def __init__(self, momentum: float = 0.996, final_momentum: float = 1.0) -> None:
        for name, value in (("momentum", momentum), ("final_momentum", final_momentum)):
            if not 0 <= value <= 1:
                raise ValueError(f"TargetUpdate: {name}={value} must be from 0 to 1")
        self.momentum, self.final_momentum = momentum, final_momentum
        self.updates = 0
        self._total_steps = 1

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check that the method has a target network."""
        if not isinstance(pl_module, HasTarget):
            raise MisconfigurationException(
                "TargetUpdate needs a method with a target network (unlabelled.contracts.HasTarget), which "
                f"{type(pl_module).__name__} is not; take the callback out of trainer.callbacks"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the number of steps of the run; in a new run, copy the online network."""
        total = trainer.estimated_stepping_batches
        if math.isinf(total) and self.momentum != self.final_momentum:
            raise MisconfigurationException(
                "TargetUpdate: the schedule of the momentum needs a run with an end; set "
                "--trainer.max_epochs or --trainer.max_steps"
            )
        self._total_steps = 1 if math.isinf(total) else int(total)
        assert isinstance(pl_module, HasTarget)
        if trainer.global_step == 0:
            copy_online(pl_module.target_pairs())

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the target network after each optimiser step, not after each accumulated batch."""
        if trainer.global_step == self.updates:
            return
        assert isinstance(pl_module, HasTarget)
        momentum = cosine_momentum(self.updates, self._total_steps, self.momentum, self.final_momentum)
        update_target(pl_module.target_pairs(), momentum)
        self.updates = trainer.global_step
        pl_module.log("train/momentum", momentum)

    def state_dict(self) -> dict[str, Any]:
        """Return the number of updates."""
        return {"updates": self.updates}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the number of updates."""
        self.updates = state_dict["updates"]
