"""Base of the protocols that fine-tune for detection."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from lightning.pytorch.cli import OptimizerCallable
from torch.optim import Optimizer

from lightning_modules.base import BaseModule, check_num_classes
from unlabelled.batch import Batch
from unlabelled.optim import batchnorm_parameters, without_batchnorm_decay


class Detection(BaseModule):
    """Base of the protocols whose average precision is computed at the end of validation and test.

    Args:
        optimizer: Called with the trainable parameters.
        num_classes: Number of classes.
        decay_batchnorm: Whether the optimiser's weight decay includes scale and shift of BatchNorm.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.
    """

    def __init__(
        self, optimizer: OptimizerCallable, num_classes: int, decay_batchnorm: bool, **kwargs: Any
    ) -> None:
        super().__init__(optimizer, **kwargs)
        self.num_classes, self.decay_batchnorm = num_classes, decay_batchnorm

    def setup(self, stage: str) -> None:
        """Compare ``num_classes`` with the data.

        Raises:
            MisconfigurationException: They differ.
        """
        super().setup(stage)
        check_num_classes(self.trainer, self.num_classes)

    @abstractmethod
    def score(self, batch: Batch) -> dict[str, Any]:
        """Detect in a batch, and count all samples of it that are not replaced."""

    @abstractmethod
    def log_precision(self, stage: str) -> None:
        """Log the average precisions of what was counted, over all ranks, and start again."""

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        """Score a batch of the validation split."""
        return self.score(batch)

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        """Score a batch of the test split."""
        return self.score(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the average precisions over all ranks."""
        self.log_precision("val")

    def on_test_epoch_end(self) -> None:
        """Log the average precisions over all ranks."""
        self.log_precision("test")

    def build_optimizer(self) -> Optimizer:
        """Return the optimiser, without decay of BatchNorm unless it is wanted."""
        norms = [] if self.decay_batchnorm else batchnorm_parameters(self)
        optimizer: Optimizer = self.optimizer(without_batchnorm_decay(self.parameters(), norms))
        self._scale_learning_rate(optimizer)
        return optimizer
