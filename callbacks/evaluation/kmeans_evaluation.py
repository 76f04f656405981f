"""k-means on the features, for methods with and without cluster heads."""

from __future__ import annotations

from typing import Any

from lightning import LightningModule, Trainer

from callbacks.evaluation.held_out_evaluation import HeldOutEvaluation, class_of_each, num_classes
from callbacks.evaluation.kmeans_scores import kmeans_scores
from callbacks.shared.feature_collection import Rows
from callbacks.shared.reports import print_tables
from callbacks.shared.tables import Table


class KMeansEvaluation(HeldOutEvaluation):
    """Cluster the held-out features by k-means, and compare the clusters with the classes.

    Logged are ``val/kmeans/nmi_<modality>``, and ``ari``, ``accuracy``, ``entropy``, ``purity`` (mean over
    clusters) and ``weighted_purity`` (over samples) likewise; of several modalities also ``_both`` (of more
    than two ``_all``), their unit features side by side. ``test`` prints a table. All features come together
    on the first process.

    Args:
        num_clusters: K; ``null``: as many as classes.
        restarts: Runs of k-means, of which the one with the smallest distances counts.
        every_n_epochs: Validations of ``fit`` that do this; ``null``: none.
        before_training: Also score the untrained encoders on the validation set, at the start of ``fit``; the
            numbers stay in the checkpoint, and ``test`` prints them beside its own.

    Raises:
        ValueError: A number out of range, or samples with several labels.

    For the row of L3 in the sHHC paper's Table 6; the paper does not name the clustering, k-means is ours.
    """

    def __init__(
        self,
        num_clusters: int | None = None,
        restarts: int = 1,
        every_n_epochs: int | None = 1,
        before_training: bool = True,
    ) -> None:
        super().__init__(every_n_epochs)
        if (num_clusters is not None and num_clusters < 1) or restarts < 1:
            raise ValueError(
                f"KMeansEvaluation: num_clusters={num_clusters}, restarts={restarts}; expected at least 1 of "
                "each, or null for as many clusters as classes"
            )
        self.num_clusters, self.restarts = num_clusters, restarts
        self.before_training = before_training
        self.before: Table = {}

    @property
    def state_key(self) -> str:
        """Tell several of these callbacks apart."""
        return self._generate_state_key(num_clusters=self.num_clusters)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the untrained network, once per run."""
        if not self.before_training or self.before or trainer.global_step > 0:
            return
        self.before = self._table(trainer, self.untrained(trainer, pl_module))
        for logger in trainer.loggers:  # `log` would file them under the end of the first epoch
            logger.log_metrics(_names(self.before, "val"), step=0)

    def score(self, trainer: Trainer, pl_module: LightningModule, queries: Rows, stage: str) -> None:
        """Log; print after a test."""
        table = self._table(trainer, queries)
        for name, value in _names(table, stage).items():
            pl_module.log(name, value, sync_dist=True)
        if stage == "test":
            titles = {"k-means before training, val": self.before, "k-means, test": table}
            print_tables(trainer, titles, "test/kmeans")

    def _table(self, trainer: Trainer, rows: Rows) -> Table:
        class_of_each(rows, "KMeansEvaluation")
        classes = num_classes(trainer)
        return kmeans_scores(rows, self.num_clusters or classes, classes, self.restarts)

    def state_dict(self) -> dict[str, Any]:
        """The scores before training."""
        return {"before": self.before}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them back."""
        self.before = state_dict["before"]


def _names(table: Table, stage: str) -> dict[str, float]:
    return {
        f"{stage}/kmeans/{measure}_{source}": value
        for source, row in table.items()
        for measure, value in row.items()
    }
