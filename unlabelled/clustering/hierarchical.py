"""A clusterer that builds a hierarchy over the clusters of another one."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.clustering.base import Assignment, ClusterContext, Clusterer
from unlabelled.distributed import all_reduce_max_, all_reduce_sum_, from_first_rank
from unlabelled.hierarchy import HierarchyMethod, Leaves, NeighbourTree, Similarity
from unlabelled.hierarchy.cluster_tree import ClusterTree
from unlabelled.seeding import derive_seed


class HierarchicalClusterer(Clusterer):
    """Clusters samples and builds a tree over the centroids: sHHC's pre- and post-clustering.

    The centroids are means of the unit features of the samples of all ranks. Rank 0 builds the tree in
    float64 and sends it to the others. Clusters without members are not leaves, and receive no samples in
    later passes, because none of their scores is finite.

    Args:
        clusterer: Clusterer of the samples.
        hierarchy: Method that builds the tree; ``null``: :class:`~unlabelled.hierarchy.NeighbourTree`.
        similarity: Similarity of two centroids: ``half_cosine``, (1 + cos) / 2, or ``positive_cosine``,
            max(cos, 0).

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
        self.hierarchy: HierarchyMethod = NeighbourTree() if hierarchy is None else hierarchy

    def __call__(self, scores: Tensor, context: ClusterContext) -> Assignment:
        """Cluster the finite columns of ``scores (n_local, K)`` and build the tree.

        Raises:
            ValueError: The context has no features.
        """
        if context.features is None:
            raise ValueError(
                "HierarchicalClusterer requires features for centroids, but the method declares none "
                "(unlabelled.contracts.LearnsFromAssignments); use the inner clusterer alone"
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
        return Assignment(labels, report, _shares_of_all(pre.shares, alive, num_clusters), hierarchy=tree)

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
        """Return the state of the inner clusterer; the trees are in the state of the method."""
        return {"clusterer": self.clusterer.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the result of ``state_dict``."""
        self.clusterer.load_state_dict(state_dict["clusterer"])


def unit_sums(features: Tensor, labels: Tensor, num_clusters: int) -> tuple[Tensor, Tensor]:
    """Return sums ``(K, D)`` of the unit features of each cluster over all ranks, and counts ``(K,)``.

    Both are float64 and on the CPU.

    Args:
        features: ``(n_local, D)``.
        labels: ``(n_local,)`` from 0 to K - 1.
        num_clusters: K.
    """
    sums, counts = local_unit_sums(features, labels, num_clusters)
    return all_reduce_sum_(sums).cpu(), all_reduce_sum_(counts).cpu()


def local_unit_sums(features: Tensor, labels: Tensor, num_clusters: int) -> tuple[Tensor, Tensor]:
    """Return the sums and counts of :func:`unit_sums` for the samples of this rank, on their device."""
    sums = features.new_zeros(num_clusters, features.shape[1], dtype=torch.float64)
    sums.index_add_(0, labels, F.normalize(features.double(), dim=1))
    return sums, torch.bincount(labels, minlength=num_clusters).double()


def _finite_columns(scores: Tensor) -> Tensor:
    """Return the indices of columns in which some rank has a finite score."""
    finite = scores.isfinite().any(0).to(torch.int64)
    return all_reduce_max_(finite).nonzero().squeeze(1)


def _shares_of_all(shares: Tensor | None, alive: Tensor, num_clusters: int) -> Tensor | None:
    """Return shares ``(K,)`` of all clusters, 0 for those that are not ``alive``."""
    if shares is None:
        return None
    return shares.new_zeros(num_clusters).index_copy_(0, alive.to(shares.device), shares)
