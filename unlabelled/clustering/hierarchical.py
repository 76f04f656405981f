"""A clusterer that builds a hierarchy over the clusters of another one."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.clustering.base import Assignment, ClusterContext, Clusterer
from unlabelled.distributed import all_reduce_max_, all_reduce_sum_, from_first_rank
from unlabelled.hierarchy import HierarchyMethod, Leaves, LocalSearchTree, Similarity
from unlabelled.hierarchy.cluster_tree import ClusterTree
from unlabelled.seeding import derive_seed


class HierarchicalClusterer(Clusterer):
    """Pre-clusters, and a tree over their centroids: sHHC's pre- and post-clustering.

    The centroids are means of the unit features of all ranks' samples. The first process builds the tree, in
    float64, and sends it to the others. Clusters without members are no leaves; they get no samples in
    later passes either, because no score is finite for them.

    Args:
        clusterer: Returns the pre-clusters.
        hierarchy: Builds the tree; ``null``: :class:`~unlabelled.hierarchy.LocalSearchTree`.
        similarity: Of two centroids: ``half_cosine``, (1 + cos) / 2, or ``positive_cosine``, max(cos, 0).

    Source: sHHC paper (ICCV 2023) sections 3.1 and 3.2; docs/methods/shhc.md#pre-clustering.
    """

    def __init__(
        self,
        clusterer: Clusterer,
        hierarchy: HierarchyMethod | None = None,
        similarity: Similarity = "half_cosine",
    ) -> None:
        self.clusterer, self.similarity = clusterer, similarity
        self.renumbers_clusters = clusterer.renumbers_clusters
        self.hierarchy: HierarchyMethod = LocalSearchTree() if hierarchy is None else hierarchy

    def __call__(self, scores: Tensor, context: ClusterContext) -> Assignment:
        """Cluster the columns of ``scores (n_local, K)`` that are finite; then build the tree."""
        if context.features is None:
            raise ValueError(
                "HierarchicalClusterer needs features to take centroids of, which the method does not give "
                "(unlabelled.contracts.LearnsFromAssignments); take the inner clusterer alone"
            )
        num_clusters = scores.shape[1]
        if self.clusterer.reads_features:
            alive = torch.arange(num_clusters, device=scores.device)
            pre = self.clusterer(context.features, context)
        else:
            alive = _finite_columns(scores)
            pre = self.clusterer(scores[:, alive] if len(alive) < num_clusters else scores, context)
        labels = alive[pre.labels]
        tree = self._tree(context, labels, num_clusters)
        report = pre.report | {f"hierarchy/{name}": value for name, value in tree.report.items()}
        report["empty_clusters"] = float(num_clusters - tree.tree.num_leaves)
        return Assignment(labels, report, _spread(pre.shares, alive, num_clusters), hierarchy=tree)

    def _tree(self, context: ClusterContext, labels: Tensor, num_clusters: int) -> ClusterTree:
        assert context.features is not None  # checked by the caller
        sums, counts = unit_sums(context.features, labels, num_clusters)
        clusters = counts.nonzero().squeeze(1)
        centroids = sums[clusters] / counts[clusters].unsqueeze(1)
        seed = derive_seed(context.seed, "hierarchy", context.head, context.pass_index)

        def build() -> ClusterTree:
            leaves = Leaves.from_features(centroids, self.similarity, counts[clusters])
            hierarchy = self.hierarchy.fit(leaves, seed)
            return ClusterTree.from_hierarchy(
                hierarchy, clusters, counts[clusters], centroids, num_clusters, self.similarity
            )

        return from_first_rank(build)

    def state_dict(self) -> dict[str, Any]:
        """Return the inner clusterer's state; the method keeps the trees."""
        return {"clusterer": self.clusterer.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the result of ``state_dict``."""
        self.clusterer.load_state_dict(state_dict["clusterer"])


def unit_sums(features: Tensor, labels: Tensor, num_clusters: int) -> tuple[Tensor, Tensor]:
    """Return, over all ranks, the sums ``(K, D)`` of the clusters' unit features and the counts ``(K,)``.

    Both float64, on the CPU.

    Args:
        features: ``(n_local, D)``.
        labels: ``(n_local,)`` below ``num_clusters``.
        num_clusters: K.
    """
    sums, counts = local_unit_sums(features, labels, num_clusters)
    return all_reduce_sum_(sums).cpu(), all_reduce_sum_(counts).cpu()


def local_unit_sums(features: Tensor, labels: Tensor, num_clusters: int) -> tuple[Tensor, Tensor]:
    """Return the same of this process's samples alone, on their device."""
    sums = features.new_zeros(num_clusters, features.shape[1], dtype=torch.float64)
    sums.index_add_(0, labels, F.normalize(features.double(), dim=1))
    return sums, torch.bincount(labels, minlength=num_clusters).double()


def _finite_columns(scores: Tensor) -> Tensor:
    """Return the indices of columns in which some rank has a finite score."""
    finite = scores.isfinite().any(0).to(torch.int64)
    return all_reduce_max_(finite).nonzero().squeeze(1)


def _spread(shares: Tensor | None, alive: Tensor, num_clusters: int) -> Tensor | None:
    if shares is None:
        return None
    return shares.new_zeros(num_clusters).index_copy_(0, alive.to(shares.device), shares)
