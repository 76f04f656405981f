"""The clustering pass with encoders in training mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning import LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import nn
from torch.utils.data import DataLoader

from callbacks.shared.batches import frozen_state
from callbacks.shared.rows import RowCollection
from callbacks.training.clustering_pass import ClusteringPass
from unlabelled.contracts import TrainingSet
from unlabelled.distributed import rank
from unlabelled.seeding import derive_seed, global_seed


class TrainingModeClusteringPass(ClusteringPass):
    """Cluster features that the encoders compute in training mode: statistics of the batch, and dropout.

    The scores are computed in evaluation mode. The samples are in a random order, as the statistics of a
    batch of one class would be those of the class. Running statistics are restored. The labels depend on
    ``eval_batch_size`` and on the number of ranks, each of which has batches of its own.

    Raises:
        MisconfigurationException: BatchNorm is synchronised; ranks may have different numbers of batches in a
            pass, and would wait for each other without end.

    Source: yukimasano/self-label, main.py; docs/methods/selavi.md#sela.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check that BatchNorm is not synchronised."""
        if any(isinstance(part, nn.SyncBatchNorm) for part in pl_module.modules()):
            raise MisconfigurationException(
                f"{type(self).__name__} cannot be used with trainer.sync_batchnorm: true; set it to false, "
                "or use callbacks.ClusteringPass"
            )
        super().on_train_start(trainer, pl_module)

    def loader(self, data: TrainingSet, group: int) -> DataLoader[Any]:
        """Return the loader of all training samples in a random order."""
        return data.shuffled_pass_dataloader(self.pass_epoch(group))

    def dropout_seed(self, group: int) -> int:
        """Return the seed of dropout in this pass."""
        return derive_seed(global_seed(), "dropout", self.pass_epoch(group), rank())

    def _collect(self, trainer: Trainer, pl_module: LightningModule, group: int) -> RowCollection:
        with frozen_state(pl_module, train=True), _restored_buffers(pl_module):
            return super()._collect(trainer, pl_module, group)


@contextmanager
def _restored_buffers(module: nn.Module) -> Iterator[None]:
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    try:
        yield
    finally:
        for name, buffer in module.named_buffers():
            buffer.copy_(before[name])
