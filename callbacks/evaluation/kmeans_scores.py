"""k-means on held-out features, as a yardstick for features and for heads."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from callbacks.shared.feature_collection import Rows, on_first_rank
from callbacks.shared.tables import Table
from unlabelled.batch import Features
from unlabelled.clustering.kmeans import kmeans
from unlabelled.distributed import from_first_rank
from unlabelled.metrics import ClusteringMetrics
from unlabelled.seeding import derive_seed, global_seed


def kmeans_scores(rows: Rows, num_clusters: int, num_classes: int, restarts: int = 1) -> Table:
    """Cluster the features of all ranks' rows, and compare the clusters with the classes.

    Rank 0 does the work, and needs room for all features (see
    :func:`~callbacks.shared.feature_collection.on_first_rank`).

    Args:
        rows: This rank's.
        num_clusters: K; as many as there are rows, if those are fewer.
        num_classes: C; labels are below it.
        restarts: Runs, of which the one with the smallest distances is kept.

    Returns:
        The scores of :class:`~unlabelled.metrics.ClusteringMetrics`, equal on all ranks: a row for each
        modality and, of several, one for ``both`` (more than two: ``all``), their unit features side by side.
    """
    gathered = on_first_rank(rows)
    return from_first_rank(lambda: _scores(gathered, num_clusters, num_classes, restarts))


def _scores(rows: Rows | None, num_clusters: int, num_classes: int, restarts: int) -> Table:
    assert rows is not None
    if (fitting := min(num_clusters, len(rows))) < num_clusters:
        rank_zero_info(f"k-means: {len(rows)} samples are clustered into {fitting}, not {num_clusters}")
    seed = derive_seed(global_seed(), "k-means") % 2**31
    return {
        name: _agreement(kmeans(value, fitting, seed, restarts=restarts), rows.labels, fitting, num_classes)
        for name, value in with_joint(rows.features).items()
    }


def _agreement(clusters: Tensor, labels: Tensor, num_clusters: int, num_classes: int) -> dict[str, float]:
    metric = ClusteringMetrics(1, num_clusters, num_classes, sync_on_compute=False)
    metric.update(clusters.unsqueeze(1), labels)
    return metric.of_head(0)


def with_joint(features: Features) -> Features:
    """Add the unit features of all modalities side by side; names with ``+`` hold several already."""
    single = [F.normalize(value) for name, value in features.items() if "+" not in name]
    if len(single) < 2:
        return features
    return {**features, "both" if len(single) == 2 else "all": torch.cat(single, 1)}
