"""Speed of the training, and number of replaced samples."""

from __future__ import annotations

import time
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks.shared.batches import not_replaced
from callbacks.training.clustering_pass import ClusteringPass
from unlabelled.distributed import all_reduce_sum_


class Throughput(Callback):
    """Log the clips per second, the share of time spent waiting for data, and the number of replaced clips.

    ``data/replaced`` counts clips; a batch may have several of one video. The time of clustering passes (see
    ``cluster/time_share``) and of evaluations between epochs is left out. List this callback before those
    that act before a step.

    Args:
        every_n_steps: Steps between two logs.
    """

    def __init__(self, every_n_steps: int = 10) -> None:
        self.every_n_steps = every_n_steps
        self.replaced = 0
        self._clips = 0
        self._begin = self._batch_end = 0.0
        self._waited = 0.0
        self._pass_seconds = 0.0
        self._new_replaced: Tensor | None = None  # on the device; reading it would wait for the step

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, as a resumed run may start in the middle of an epoch."""
        self._restart()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock again, to leave out the evaluation between two epochs."""
        self._restart()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Add the time since the end of the last step to the time spent waiting."""
        self._waited += time.monotonic() - self._batch_end

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the clips of the batch; log every ``every_n_steps`` steps."""
        replaced = (~not_replaced(batch)).sum()
        self._new_replaced = replaced if self._new_replaced is None else self._new_replaced + replaced
        self._clips += len(batch["index"])
        self._batch_end = time.monotonic()
        if (batch_idx + 1) % self.every_n_steps == 0 or trainer.is_last_batch:
            self._log(trainer)

    def _log(self, trainer: Trainer) -> None:
        callbacks = trainer.callbacks  # type: ignore[attr-defined]
        passes = sum(each.report.seconds for each in callbacks if isinstance(each, ClusteringPass))
        seconds = self._batch_end - self._begin - (passes - self._pass_seconds)
        self._pass_seconds = passes
        assert self._new_replaced is not None
        self.replaced += int(all_reduce_sum_(self._new_replaced))
        metrics = {
            "data/replaced": float(self.replaced),
            "train/clips_per_second": self._clips * trainer.world_size / seconds,
            "data/wait_share": self._waited / seconds,
        }
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step)
        self._restart()

    def _restart(self) -> None:
        self._clips, self._waited, self._new_replaced = 0, 0.0, None
        self._begin = self._batch_end = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Return the number of replaced clips."""
        return {"replaced": self.replaced}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the number of replaced clips."""
        self.replaced = state_dict["replaced"]
