"""Centroids that follow a queue: fitted anew every few steps."""

from __future__ import annotations

from typing import Any, ClassVar

from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException

from unlabelled.contracts import HasCentroids


class CentroidUpdate(Callback):
    """Let the method fit its centroids after every ``every_n_steps``-th step of the optimiser.

    The fit comes before the next batch, when the queue has the step's features, wherever this callback
    stands among the others. When it comes depends on the number of steps alone, also in a resumed run. What
    a method does while its queue is not full is its own matter (MCN waits).

    Args:
        every_n_steps: Steps between two fits (paper: 20, in which the queue is filled once).

    Raises:
        ValueError: ``every_n_steps`` is below 1.
        MisconfigurationException: The method has no centroids
            (:class:`unlabelled.contracts.HasCentroids`).

    Source: Chen et al. 2021 (arXiv:2104.12671); reference sspc.md section 1.11.
    """

    serves: ClassVar[type] = HasCentroids

    def __init__(self, every_n_steps: int = 20) -> None:
        if every_n_steps < 1:
            raise ValueError(f"CentroidUpdate: every_n_steps={every_n_steps} must be at least 1")
        self.every_n_steps = every_n_steps
        self._last = 0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check at start that there are centroids."""
        if not isinstance(pl_module, HasCentroids):
            raise MisconfigurationException(
                "CentroidUpdate needs a method with centroids (unlabelled.contracts.HasCentroids), which "
                f"{type(pl_module).__name__} is not; take the callback out of trainer.callbacks"
            )
        self._last = 0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Fit if it is time, once per step also where a step accumulates several batches."""
        step = trainer.global_step
        if step == self._last or step % self.every_n_steps:
            return
        self._last = step
        assert isinstance(pl_module, HasCentroids)
        pl_module.refresh_centroids()
