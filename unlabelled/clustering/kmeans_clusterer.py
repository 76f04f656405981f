"""DeepCluster's clusterer: features in, k-means clusters out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unlabelled.clustering.base import Assignment, ClusterContext, Clusterer
from unlabelled.clustering.centroids import fit, nearest_with_quality
from unlabelled.clustering.lloyd import Fitted, Lloyd
from unlabelled.clustering.whitening import fit_whitening
from unlabelled.distributed import all_reduce_sum_
from unlabelled.seeding import derive_seed


class KMeansClusterer(Clusterer):
    """k-means of features, anew in each pass and for each head (DeepCluster, XDC, DeepCluster-v2).

    Rank 0 fits centroids on a bounded subset of the rows; each rank then assigns its own rows. The search
    starts from rows in the order of ranks, so its result depends on how rows are distributed over them.
    During the search an empty cluster is given half of the largest one; one that is empty in the end, when
    all rows have been assigned, stays so and is counted.

    Args:
        iterations: Updates of the centroids at most (DeepCluster: 20, DeepCluster-v2: 10).
        spherical: Whether to compare cosines, as in DeepCluster-v2, instead of distances.
        whitening: Dimensions of a PCA with whitening and L2-normalisation that comes first (DeepCluster:
            256); None: cluster the features as they are.
        restarts: Searches from different rows, of which the best is kept.
        max_points_per_centroid: The sample has at most K times this many rows.

    Raises:
        ValueError: A number below 1.

    Source: Caron et al. 2018 (arXiv:1807.05520); facebookresearch/deepcluster, clustering.py;
    facebookresearch/swav, main_deepclusterv2.py; docs/methods/selavi.md#deepcluster and #deepcluster-v2.
    """

    reads_features = True
    renumbers_clusters = True

    def __init__(
        self,
        iterations: int = 20,
        spherical: bool = False,
        whitening: int | None = None,
        restarts: int = 1,
        max_points_per_centroid: int = 256,
    ) -> None:
        if whitening is not None and whitening < 1:
            raise ValueError(
                f"KMeansClusterer: whitening is {whitening}, expected a number of dimensions, at least 1, or "
                "null for none"
            )
        self.whitening = whitening
        self.lloyd = Lloyd(iterations, restarts, max_points_per_centroid, spherical)

    @torch.no_grad()
    def __call__(self, scores: Tensor, context: ClusterContext) -> Assignment:
        """Cluster the samples of all ranks together.

        Args:
            scores: ``(n_local, D)`` features, floating point; left as they are.
            context: Which clustering this is, and K; seed, head and pass decide where the search begins.

        Returns:
            Labels ``(n_local,)``, centroids ``(K, D)`` (of the whitened features, if they are whitened) and,
            in the report, "kmeans_inertia" (sum of squared distances over all samples) or "kmeans_cosine"
            (their mean), "kmeans_empty", and the search's "kmeans_iterations" and "kmeans_splits".

        Raises:
            ValueError: Wrong shape, fewer samples than clusters, or features that are NaN or infinite.
        """
        features, report = scores.detach(), {}
        if self.whitening is not None:
            white = fit_whitening(features, self.whitening)
            features, report = white(features), {"whitening_floored": float(white.floored)}
        seed = derive_seed("k-means", context.seed, context.head, context.pass_index)
        fitted = fit(features, context.num_clusters, seed, self.lloyd)
        centroids = fitted.centroids.to(features.device)
        labels, quality = nearest_with_quality(features, centroids, self.lloyd.spherical)
        report |= self._report(labels, quality, fitted)
        return Assignment(labels, report, centroids=centroids)

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
        """Return nothing: every pass begins anew."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back nothing."""
