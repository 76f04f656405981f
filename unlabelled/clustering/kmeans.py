"""k-means in one process, a baseline of evaluations."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.clustering.centroids import check_counts, count_bad_rows, draw_rows, nearest_centroid
from unlabelled.clustering.lloyd import Init, Lloyd


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
    """Cluster the rows of this process by Lloyd's algorithm with Euclidean distances; see :class:`Lloyd`.

    Args:
        features: ``(n, d)`` floating point, finite.
        num_clusters: K, at most n.
        seed: Seed of the first centroids and of the subsample.
        iterations: Largest number of updates of the centroids.
        restarts: Number of runs, of which the one with the smallest distances is kept.
        max_points_per_centroid: Centroids are found on a random subsample of at most K times this many rows;
            each row is then assigned to its nearest centroid.
        init: Choice of the first centroids.

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
