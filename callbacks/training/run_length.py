"""Length of a run as a number of steps, for data sets of any size."""

from __future__ import annotations

from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info

from callbacks.shared.batches import datamodule
from unlabelled.contracts import TrainingSet


class RunLength(Callback):
    """Choose the number of epochs from the number of training samples, and the times of validations.

    A small data set needs more epochs than a large one for as many steps. The number of epochs is that of
    ``num_steps``, but at least ``min_epochs``; there are about ``num_validations`` validations, the last one
    after the last epoch. The choice is logged. A run with ``trainer.max_epochs`` or ``trainer.max_steps`` of
    its own keeps it: this callback acts where ``max_epochs`` is -1. ``trainer.limit_train_batches`` is
    not taken into account.

    Args:
        num_steps: Optimiser steps.
        min_epochs: Smallest number of epochs.
        num_validations: Number of validations.

    Raises:
        MisconfigurationException: The data module does not know its number of samples.
        ValueError: A number is below 1.
    """

    def __init__(self, num_steps: int, min_epochs: int = 20, num_validations: int = 8) -> None:
        for name, number in (
            ("num_steps", num_steps),
            ("min_epochs", min_epochs),
            ("num_validations", num_validations),
        ):
            if number < 1:
                raise ValueError(f"RunLength: {name} must be at least 1, got {number}")
        self.num_steps, self.min_epochs, self.num_validations = num_steps, min_epochs, num_validations

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set the number of epochs, before optimisers and schedules are made."""
        if stage != "fit" or trainer.max_epochs != -1 or trainer.max_steps != -1:
            return
        data = datamodule(trainer)
        batch_size = getattr(data, "batch_size", None)
        if not isinstance(data, TrainingSet) or not isinstance(batch_size, int):
            raise MisconfigurationException(
                f"RunLength needs a data module with a number of samples and a batch size, which "
                f"{type(data).__name__} is not; set trainer.max_epochs"
            )
        samples = batch_size * trainer.world_size * trainer.accumulate_grad_batches
        steps_per_epoch = max(data.num_train_samples // samples, 1)
        epochs, interval = self.epochs(steps_per_epoch)
        trainer.fit_loop.max_epochs = epochs
        trainer.check_val_every_n_epoch = interval
        rank_zero_info(
            f"RunLength: {epochs} epochs of {steps_per_epoch} steps, for {data.num_train_samples} samples; "
            f"a validation every {interval} epochs (set trainer.max_epochs for another length)"
        )

    def epochs(self, steps_per_epoch: int) -> tuple[int, int]:
        """Return the number of epochs, and the epochs from one validation to the next, which divide it.

        Example:
            >>> RunLength(2250).epochs(28), RunLength(2250).epochs(5), RunLength(2250).epochs(1000)
            ((80, 10), (448, 56), (20, 2))
        """
        wanted = max(self.num_steps / steps_per_epoch, self.min_epochs)
        interval = max(round(wanted / self.num_validations), 1)
        count = max(round(wanted / interval), -(-self.min_epochs // interval))
        return count * interval, interval
