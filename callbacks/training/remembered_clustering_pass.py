"""The clustering pass on the features of training steps."""

from __future__ import annotations

import time
from typing import Any

import torch
from lightning import LightningModule, Trainer

from callbacks.shared.batches import frozen_state, not_replaced
from callbacks.shared.rows import RowCollection
from callbacks.training.clustering_pass import ClusteringPass
from callbacks.training.divergence_checks import finite_rows, left_out_step
from unlabelled.clustering.base import Clusterer
from unlabelled.clustering.schedule import Schedule
from unlabelled.distributed import broadcast_buffers, gather_rows, rank, world_size


class RememberedClusteringPass(ClusteringPass):
    """Cluster the features that the training steps of an epoch computed, at the end of the epoch.

    This is done if a pass is due before the first step of the next epoch; at the end of the run there is
    none. It saves the pass over the data, which takes far longer than the assignment; but the features are
    those of training mode, and up to an epoch old.

    Three passes do go over the data: the first of a run, when there are no features yet; the first of a
    finished run that is made longer; and the one at the end of an epoch that was resumed from a checkpoint
    without its features. A checkpoint from within an epoch contains them. Samples that the epoch dropped (an
    incomplete last batch), and those of steps that ``DivergenceChecks`` left out, keep their labels; if the
    clusterer renumbers its clusters, they have no label until the next pass.

    The method's ``training_step`` must return its detached ``features`` beside the loss.
    """

    def __init__(self, clusterer: Clusterer, schedule: Schedule) -> None:
        super().__init__(clusterer, schedule)
        self._collection = RowCollection("clustering pass")
        self._num_batches = 0
        self._accumulated = 0  # batches since the last step
        self._restored: dict[str, Any] | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the features of the last epoch."""
        self._collection = RowCollection("clustering pass")
        self._num_batches = self._accumulated = 0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Run the pass that is due before an epoch, unless it was run at the end of the last one."""
        if batch_idx == 0 and self.clock.due(trainer.global_step):
            self.run(trainer, pl_module)
            self.clock.advance_past(trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Store the features of the step, without replaced samples, and none of a step that is left out."""
        features = {name: feature.float() for name, feature in outputs["features"].items()}
        finite = finite_rows(trainer, features)
        keep = not_replaced(batch) if finite is None else not_replaced(batch) & finite
        self._collection.add(batch, features, keep)
        self._num_batches += 1
        self._accumulated += 1
        if (left_out := left_out_step(trainer)) is not None:
            self._collection.leave_out(self._accumulated, left_out)
            self._accumulated = 0

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Store the features of an epoch that is not over, of all ranks."""
        if 0 < self._num_batches < trainer.num_training_batches:
            rows = self._collection.finish()
            self._collection.append(rows.columns)
            self._collection.left_out = rows.left_out
            sizes = gather_rows(torch.tensor([len(rows)], device=rows.index.device)).tolist()
            columns = {name: gather_rows(column).cpu() for name, column in rows.columns.items()}
            stored = {"columns": columns, "sizes": sizes, "num_batches": self._num_batches}
            checkpoint["callbacks"][self.state_key]["remembered"] = stored

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        super().load_state_dict(state_dict)
        self._restored = state_dict.get("remembered")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take this rank's share of the features in the checkpoint; see :class:`ClusteringPass`."""
        super().on_train_start(trainer, pl_module)
        if self._restored is None:
            return
        columns, sizes = self._restored["columns"], self._restored["sizes"]
        if len(sizes) != world_size():
            parts = {name: column.tensor_split(world_size()) for name, column in columns.items()}
        else:
            parts = {name: column.split(sizes) for name, column in columns.items()}
        self._collection.append({name: part[rank()].to(pl_module.device) for name, part in parts.items()})
        self._num_batches, self._restored = self._restored["num_batches"], None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Cluster the features of the epoch, if a pass is due and the run goes on."""
        if trainer.global_step >= self._total_steps or not self.clock.due(trainer.global_step):
            return
        if self._num_batches < trainer.num_training_batches:  # resumed in the middle of the epoch
            self.run(trainer, pl_module)
        else:
            started = time.monotonic()
            broadcast_buffers(pl_module)
            with frozen_state(pl_module):
                heads = range(self._method.num_clusterings)
                self._cluster(pl_module, self._collection, heads, prepare=False)
            self.report.log(trainer, time.monotonic() - started, self.clock.done)
        self.clock.advance_past(trainer.global_step)  # the features of an epoch are clustered once
