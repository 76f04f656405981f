"""Scores of the untrained network, for comparison."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from lightning import Callback, LightningModule, Trainer

from unlabelled.renamed import METRICS


class ScoresBeforeTraining(Callback):
    """Score the untrained network once per run, at the start of ``fit``; checkpoints contain the scores.

    Args:
        before_training: Whether to do this.

    Attributes:
        before: The scores; empty where there are none.
        idle: True for data without what is scored, such as labels.
    """

    idle: bool = False

    def __init__(self, before_training: bool) -> None:
        self.before_training = before_training
        self.before: dict[str, Any] = {}

    @abstractmethod
    def score_untrained(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """Return the scores on the validation set: to keep in :attr:`before`, and to log by name."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the untrained network; log the scores at step 0."""
        if self.idle or not self.before_training or self.before or trainer.global_step > 0:
            return
        self.before, metrics = self.score_untrained(trainer, pl_module)
        if metrics:
            for logger in trainer.loggers:  # `pl_module.log` would log them at the end of the first epoch
                logger.log_metrics(metrics, step=0)

    def state_dict(self) -> dict[str, Any]:
        """Return the scores before training."""
        return {"before": self.before}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the scores before training."""
        self.before = {METRICS.get(name, name): score for name, score in state_dict["before"].items()}
