"""k-means clusters of held-out features, compared with the classes."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from lightning import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info

from callbacks.evaluation.held_out_evaluation import HeldOutEvaluation, class_of_each, num_classes
from callbacks.shared.before_training import ScoresBeforeTraining
from callbacks.shared.rows import Rows, on_first_rank
from callbacks.shared.tables import Table, print_tables
from unlabelled.batch import Features
from unlabelled.clustering.kmeans import kmeans
from unlabelled.distributed import from_first_rank
from unlabelled.metrics import ClusteringMetrics
from unlabelled.missing import has_feature
from unlabelled.seeding import derive_seed, global_seed


class KMeansEvaluation(ScoresBeforeTraining, HeldOutEvaluation):
    """Cluster the held-out features by k-means, and compare the clusters with the classes.

    Logs ``val/kmeans/nmi_<modality>``, and likewise ``ari``, ``accuracy``, ``entropy``, ``purity`` (mean over
    clusters) and ``weighted_purity`` (mean over samples). With two modalities there is also ``_both``, with
    more ``_all``: the concatenation of their normalised features. Samples without a modality are left out of
    its clusters, and zeros for it in the concatenation. ``test`` prints a table. Rank 0 gathers all features.

    Args:
        num_clusters: K; ``null``: the number of classes.
        restarts: Runs of k-means, of which the one with the smallest distances is kept.
        every_n_epochs: Epochs between two evaluations within ``fit``; ``null``: none.
        before_training: Also score the untrained encoders on the validation set, at the start of ``fit``;
            checkpoints contain the scores, and ``test`` prints them too.

    Raises:
        ValueError: A number is out of its range, or samples have several labels.

    For the row of L3 in Table 6 of the sHHC paper, which does not name the clustering; k-means is our choice.
    """

    logs: ClassVar[tuple[str, ...]] = tuple(f"val/kmeans/{name}_*" for name in ClusteringMetrics.names)

    def __init__(
        self,
        num_clusters: int | None = None,
        restarts: int = 1,
        every_n_epochs: int | None = 1,
        before_training: bool = True,
    ) -> None:
        HeldOutEvaluation.__init__(self, every_n_epochs)
        ScoresBeforeTraining.__init__(self, before_training)
        if (num_clusters is not None and num_clusters < 1) or restarts < 1:
            raise ValueError(
                f"KMeansEvaluation: num_clusters={num_clusters}, restarts={restarts}; expected at least 1 of "
                "each, or null for as many clusters as classes"
            )
        self.num_clusters, self.restarts = num_clusters, restarts

    @property
    def state_key(self) -> str:
        """Key that differs between callbacks of this class with different options."""
        return self._generate_state_key(num_clusters=self.num_clusters)

    def score_untrained(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """Return the scores on the validation set as a table, and by metric."""
        table = self._table(trainer, self.untrained(trainer, pl_module))
        return table, _metrics(table, "val")

    def score(self, trainer: Trainer, pl_module: LightningModule, queries: Rows, stage: str) -> None:
        """Log the scores; print them in ``test``."""
        table = self._table(trainer, queries)
        for name, value in _metrics(table, stage).items():
            pl_module.log(name, value, sync_dist=True)
        if stage == "test":
            tables = {"k-means before training, val": self.before, "k-means, test": table}
            print_tables(trainer, tables, "test/kmeans")

    def _table(self, trainer: Trainer, rows: Rows) -> Table:
        class_of_each(rows, "KMeansEvaluation")
        classes = num_classes(trainer)
        return kmeans_scores(rows, self.num_clusters or classes, classes, self.restarts)


def _metrics(table: Table, stage: str) -> dict[str, float]:
    return {
        f"{stage}/kmeans/{measure}_{source}": value
        for source, row in table.items()
        for measure, value in row.items()
    }


def kmeans_scores(rows: Rows, num_clusters: int, num_classes: int, restarts: int = 1) -> Table:
    """Cluster the features of all ranks, and compare the clusters with the classes.

    Rank 0 needs memory for all features (see :func:`~callbacks.shared.rows.on_first_rank`).

    Args:
        rows: The rows of this rank.
        num_clusters: K; if there are fewer rows, their number.
        num_classes: C; the labels are below it.
        restarts: Runs, of which the one with the smallest distances is kept.

    Returns:
        The scores of :class:`~unlabelled.metrics.ClusteringMetrics`, equal on all ranks, with a row for each
        source of :func:`with_joint`.
    """
    gathered = on_first_rank(rows)

    def work() -> Table:
        assert gathered is not None
        seed = derive_seed(global_seed(), "k-means") % 2**31
        table = {}
        for name, feature in with_joint(gathered.features).items():
            present = has_feature(feature)
            feature, labels = feature[present], gathered.labels[present]
            if len(feature) < len(present):
                left_out = len(present) - len(feature)
                rank_zero_info(f"k-means: {left_out} samples without features are left out of {name}")
            if not len(feature):
                continue
            clusters = min(num_clusters, len(feature))
            if clusters < num_clusters:
                rank_zero_info(
                    f"k-means: {len(feature)} samples are clustered into {clusters}, not {num_clusters}"
                )
            metric = ClusteringMetrics(1, clusters, num_classes, sync_on_compute=False)
            metric.update(kmeans(feature, clusters, seed, restarts=restarts).unsqueeze(1), labels)
            table[name] = metric.of_head(0)
        return table

    return from_first_rank(work)


def with_joint(features: Features) -> Features:
    """Add ``both`` or, for more than two modalities, ``all``: the concatenation of their normalised features.

    Features of several modalities, whose names contain ``+``, are not part of it.

    >>> features = with_joint({"video": torch.tensor([[0.0, 4.0]]), "audio": torch.tensor([[2.0]])})
    >>> features["both"].tolist()
    [[0.0, 1.0, 1.0]]
    """
    single = [F.normalize(feature) for name, feature in features.items() if "+" not in name]
    if len(single) < 2:
        return features
    return {**features, "both" if len(single) == 2 else "all": torch.cat(single, 1)}
