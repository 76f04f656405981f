"""k-means as a baseline for evaluation (one process)."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.clustering.centroids import check_counts, count_bad_rows, nearest_centroid
from unlabelled.clustering.lloyd import Init, Lloyd
from unlabelled.clustering.sample_rows import draw_rows


@torch.no_grad()
def kmeans(
    features: Tensor,
    num_clusters: int,
    seed: int = 0,
    iterations: int = 20,
    restarts: int = 1,
    max_points_per_centroid: int = 1024,
    init: Init = "random",
) -> Tensor:
    """Cluster this process' rows by Lloyd's algorithm, Euclidean; see :class:`Lloyd` for the arguments.

    Args:
        features: ``(n, d)`` floating point, finite.
        num_clusters: K, at most n.
        seed: Of the first centroids and of the subsample.
        iterations: Updates of the centroids.
        restarts: Runs, of which the one with the smallest distances is kept.
        max_points_per_centroid: Centroids are found on a random subsample of at most K times this many rows;
            every row is then given to its nearest centroid.
        init: Which samples the first centroids are.

    Returns:
        ``(n,)`` int64 labels on the features' device.

    Raises:
        ImportError: faiss is not installed.
        ValueError: Wrong shape, too few rows, or features that are not finite.
    """
    lloyd = Lloyd(iterations, restarts, max_points_per_centroid, init=init)
    features = features.detach()
    check_counts(len(features), count_bad_rows(features), num_clusters)
    sample, size = features, num_clusters * max_points_per_centroid
    if len(features) > size:
        sample = features[torch.from_numpy(draw_rows(len(features), size, seed)).to(features.device)]
    points = sample.to("cpu", torch.float32).contiguous()
    fitted = lloyd.run(points, num_clusters, seed, features.device)
    return nearest_centroid(features, fitted.centroids.to(features.device))
