"""Refitting of centroids to a queue, every few steps."""

from __future__ import annotations

from typing import Any, ClassVar

from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException

from unlabelled.contracts import HasCentroids


class CentroidUpdate(Callback):
    """Call ``refresh_centroids`` after every ``every_n_steps``-th optimiser step.

    The call precedes the next batch; by then the queue has the features of the step, in any order of the
    callbacks. The steps are the same in a resumed run. While its queue is not full, a method may ignore the
    call (MCN does).

    Args:
        every_n_steps: Optimiser steps between two calls (MCN: 20, in which the queue is filled once).

    Raises:
        ValueError: ``every_n_steps`` is below 1.
        MisconfigurationException: The method has no centroids
            (:class:`unlabelled.contracts.HasCentroids`).

    Source: Chen et al. 2021 (arXiv:2104.12671); brian7685/Multimodal-Clustering-Network,
    train_tri_kmeans.py; docs/methods/sspc.md#mcn.
    """

    serves: ClassVar[type] = HasCentroids

    def __init__(self, every_n_steps: int = 20) -> None:
        if every_n_steps < 1:
            raise ValueError(f"CentroidUpdate: every_n_steps={every_n_steps} must be at least 1")
        self.every_n_steps = every_n_steps
        self._last_step = 0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check that the method has centroids."""
        if not isinstance(pl_module, HasCentroids):
            raise MisconfigurationException(
                "CentroidUpdate needs a method with centroids (unlabelled.contracts.HasCentroids), which "
                f"{type(pl_module).__name__} is not; take the callback out of trainer.callbacks"
            )
        self._last_step = 0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Refit the centroids if it is due, once per step even if a step accumulates several batches."""
        step = trainer.global_step
        if step == self._last_step or step % self.every_n_steps:
            return
        self._last_step = step
        assert isinstance(pl_module, HasCentroids)
        pl_module.refresh_centroids()
