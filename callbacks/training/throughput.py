"""How fast the training is, and what it had to replace."""

from __future__ import annotations

import time
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks.shared.batches import not_replaced
from callbacks.training.clustering_pass import ClusteringPass
from unlabelled.distributed import all_reduce_sum_


class Throughput(Callback):
    """Log clips per second, the share of time spent waiting for data, and the number of replaced clips.

    ``data/replaced`` counts clips: of a video from which a batch has several, each.
    Clustering passes (see ``cluster/time_share``) and evaluation between the epochs do not count.
    List it before the callbacks that work before a step.

    Args:
        every_n_steps: Steps between two logs.
    """

    def __init__(self, every_n_steps: int = 10) -> None:
        self.every_n_steps = every_n_steps
        self.replaced = 0
        self._clips = 0
        self._begin = self._batch_end = 0.0
        self._waited = 0.0
        self._passes = 0.0
        self._missing: Tensor | None = None  # on the device: reading it each step would wait for the step

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock also where a resumed run enters in the middle of an epoch."""
        self._restart()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock; evaluation between the epochs does not count."""
        self._restart()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Count the time since the last step ended as waiting."""
        self._waited += time.monotonic() - self._batch_end

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count, and log every so often."""
        missing = (~not_replaced(batch)).sum()
        self._missing = missing if self._missing is None else self._missing + missing
        self._clips += len(batch["index"])
        self._batch_end = time.monotonic()
        if (batch_idx + 1) % self.every_n_steps == 0 or trainer.is_last_batch:
            self._log(trainer)

    def _log(self, trainer: Trainer) -> None:
        passes = _seconds_of_passes(trainer)
        seconds = self._batch_end - self._begin - (passes - self._passes)
        self._passes = passes
        assert self._missing is not None
        self.replaced += int(all_reduce_sum_(self._missing))
        metrics = {
            "data/replaced": float(self.replaced),
            "train/clips_per_second": self._clips * trainer.world_size / seconds,
            "data/wait_share": self._waited / seconds,
        }
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step)
        self._restart()

    def _restart(self) -> None:
        self._clips, self._waited, self._missing = 0, 0.0, None
        self._begin = self._batch_end = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """The count of replaced clips."""
        return {"replaced": self.replaced}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the count back."""
        self.replaced = state_dict["replaced"]


def _seconds_of_passes(trainer: Trainer) -> float:
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    return sum(callback.report.seconds for callback in callbacks if isinstance(callback, ClusteringPass))
