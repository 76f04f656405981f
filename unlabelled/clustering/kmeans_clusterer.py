"""DeepCluster's clusterer: k-means of features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unlabelled.clustering.base import Assignment, ClusterContext, Clusterer
from unlabelled.clustering.centroids import fit, means_by_label, nearest_with_quality
from unlabelled.clustering.lloyd import Fitted, Lloyd
from unlabelled.clustering.whitening import fit_whitening
from unlabelled.distributed import all_reduce_max_, all_reduce_sum_
from unlabelled.seeding import derive_seed


class KMeansClusterer(Clusterer):
    """k-means of features (DeepCluster, XDC, DeepCluster-v2).

    It starts again in each pass, or from the means of the clusters of the pass before (``warm_start``).

    Rank 0 fits centroids on a sample of bounded size; each rank then assigns its own rows. The sample is
    ordered by rank, so the result depends on how the rows are distributed over the ranks. While centroids are
    fitted, an empty cluster receives half of the largest one. Clusters that are empty after the assignment of
    all rows stay empty and are reported.

    Args:
        iterations: Largest number of updates of the centroids (DeepCluster: 20, DeepCluster-v2: 10).
        spherical: Compare cosines, as in DeepCluster-v2, instead of distances.
        whitening: Number of dimensions of a PCA with whitening and L2-normalisation of the features
            (DeepCluster: 256); None: the features are clustered unchanged.
        restarts: Number of runs from different first centroids, of which the best is kept.
        max_points_per_centroid: The sample has at most K times this many rows.
        warm_start: Start from the means of the features with the labels of the pass before, so that clusters
            keep their numbers and a method keeps its top layers. Ours, for small data sets: a few hundred
            steps between two passes are too few to learn new clusters.

    Raises:
        ValueError: A number below 1.

    Source: Caron et al. 2018 (arXiv:1807.05520); facebookresearch/deepcluster, clustering.py;
    facebookresearch/swav, main_deepclusterv2.py; docs/methods/selavi.md#deepcluster and #deepcluster-v2.
    """

    reads_features = True

    def __init__(
        self,
        iterations: int = 20,
        spherical: bool = False,
        whitening: int | None = None,
        restarts: int = 1,
        max_points_per_centroid: int = 256,
        warm_start: bool = False,
    ) -> None:
        if whitening is not None and whitening < 1:
            raise ValueError(
                f"KMeansClusterer: whitening is {whitening}, expected a number of dimensions, at least 1, or "
                "null for none"
            )
        self.whitening, self.renumbers_clusters = whitening, not warm_start
        self.lloyd = Lloyd(iterations, restarts, max_points_per_centroid, spherical)

    @torch.no_grad()
    def __call__(self, scores: Tensor, context: ClusterContext) -> Assignment:
        """Cluster the samples of all ranks together.

        Args:
            scores: ``(n_local, D)`` features, floating point; not changed.
            context: K, and the seed, head and pass, which determine the first centroids; with ``warm_start``
                the labels of the pass before.

        Returns:
            Labels ``(n_local,)``, centroids ``(K, D)`` (of the whitened features, if there is a whitening),
            and a report: "kmeans_inertia" (sum of squared distances over all samples) or "kmeans_cosine"
            (mean of the cosines), "kmeans_empty", "kmeans_iterations", "kmeans_splits" and
            "whitening_floored".

        Raises:
            ValueError: Wrong shape, fewer samples than clusters, or features that are NaN or infinite.
        """
        features, report = scores.detach(), {}
        if self.whitening is not None:
            white = fit_whitening(features, self.whitening)
            features, report = white(features), {"whitening_floored": float(white.floored)}
        seed = derive_seed("k-means", context.seed, context.head, context.pass_index)
        start = None if self.renumbers_clusters else _start(features, context)
        fitted = fit(features, context.num_clusters, seed, self.lloyd, start)
        centroids = fitted.centroids.to(features.device)
        labels, quality = nearest_with_quality(features, centroids, self.lloyd.spherical)
        report |= self._report(labels, quality, fitted)
        return Assignment(labels, report, centroids=centroids, continued=start is not None)

    def _report(self, labels: Tensor, quality: Tensor, fitted: Fitted) -> dict[str, float]:
        total = quality.sum(dtype=torch.float64)[None]
        sizes = torch.bincount(labels, minlength=len(fitted.centroids))
        total, *sizes_of_all = all_reduce_sum_(torch.cat([total, sizes.double()])).tolist()
        name, share = ("cosine", sum(sizes_of_all)) if self.lloyd.spherical else ("inertia", 1)
        return {
            f"kmeans_{name}": total / share,
            "kmeans_empty": float(sizes_of_all.count(0)),
            "kmeans_iterations": float(fitted.iterations),
            "kmeans_splits": float(fitted.splits),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return an empty dictionary: passes are independent."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Ignore the empty state."""


def _start(features: Tensor, context: ClusterContext) -> Tensor | None:
    """Return the means ``(K, D)`` of the clusters of the pass before; None: there is none."""
    labels = context.previous
    if labels is None or not all_reduce_max_((labels >= 0).any().int()):
        return None
    return means_by_label(features, labels, context.num_clusters)
