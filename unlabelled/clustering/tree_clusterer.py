"""A clusterer whose clusters are the branches of a tree over the samples, without pre-clustering."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.clustering.base import Assignment, ClusterContext, Clusterer
from unlabelled.clustering.hierarchical import local_unit_sums, unit_sums
from unlabelled.distributed import all_reduce_sum_, from_first_rank, gather_rows
from unlabelled.hierarchy import Hierarchy, HierarchyMethod, HypHC, Leaves, Similarity, merged_prototypes
from unlabelled.hierarchy.cluster_tree import ClusterTree
from unlabelled.seeding import derive_seed, numpy_generator


class TreeClusterer(Clusterer):
    """One tree over the samples, cut into K branches: sHHC without pre-clustering (paper, Table 6, HypHC).

    A tree over N samples takes O(N^2) time and memory, so it is built over a random part of them; each other
    sample is assigned to the branch with the closest mean direction. The prototype of a branch is the
    midpoint of its leaves in the manifold.

    Args:
        hierarchy: Method that builds the tree and embeds its leaves; ``null``:
            :class:`~unlabelled.hierarchy.HypHC`.
        similarity: Similarity of two samples.
        max_samples: Largest number of leaves.

    Source: sHHC paper (ICCV 2023) section 5.6 and Table 6, without details; the sample, the cut and the
    prototypes are ours: docs/methods/shhc.md#merged-classes.
    """

    def __init__(
        self,
        hierarchy: HierarchyMethod | None = None,
        similarity: Similarity = "half_cosine",
        max_samples: int = 10_000,
    ) -> None:
        if max_samples < 1:
            raise ValueError(f"TreeClusterer: max_samples is {max_samples}, expected at least 1")
        self.hierarchy: HierarchyMethod = HypHC() if hierarchy is None else hierarchy
        self.similarity, self.max_samples = similarity, max_samples
        self._centroids: dict[int, Tensor] = {}

    def __call__(self, scores: Tensor, context: ClusterContext) -> Assignment:
        """Divide the samples into K clusters; of ``scores (n_local, K)`` only the shape is used.

        Raises:
            ValueError: The context has no features, or there are fewer leaves than clusters.
        """
        if context.features is None:
            raise ValueError(
                "TreeClusterer requires the features of the samples, but the method declares none "
                "(unlabelled.contracts.LearnsFromAssignments)"
            )
        num_clusters = scores.shape[1]
        sample = self._sample(context.features, context)
        if len(sample) < num_clusters:
            raise ValueError(
                f"TreeClusterer: a tree over {len(sample)} samples cannot be cut into {num_clusters} "
                f"branches; raise max_samples (now {self.max_samples}), or lower num_clusters"
            )
        seed = derive_seed(context.seed, "tree", context.head, context.pass_index)
        upper = from_first_rank(lambda: self._build(sample.cpu(), num_clusters, seed))
        unit = F.normalize(context.features.float(), dim=1)
        branches = (unit @ F.normalize(upper.centroids.to(unit), dim=1).T).argmax(1)
        tree = self._numbered(self._with_members(upper, context.features, branches), context.head)
        labels = tree.clusters.to(branches.device)[branches]
        return Assignment(labels, dict(tree.report), hierarchy=tree)

    def _sample(self, features: Tensor, context: ClusterContext) -> Tensor:
        """Return at most ``max_samples`` unit features, from each rank in proportion to its samples."""
        total = int(all_reduce_sum_(torch.tensor([len(features)], device=features.device)))
        share = min(1.0, self.max_samples / total)
        rng = numpy_generator(context.seed, "tree sample", context.head, context.pass_index)
        chosen = np.sort(rng.permutation(len(features))[: int(share * len(features))])
        rows = features[torch.from_numpy(chosen).to(features.device)]
        return gather_rows(F.normalize(rows.float(), dim=1))

    def _build(self, sample: Tensor, num_clusters: int, seed: int) -> ClusterTree:
        found = self.hierarchy.fit(Leaves.from_features(sample, self.similarity), seed)
        if found.points is None:
            raise ValueError(
                f"TreeClusterer: {type(self.hierarchy).__name__} has no points in a manifold; use a method "
                "that embeds its leaves, such as unlabelled.hierarchy.HypHC"
            )
        labels = torch.from_numpy(found.tree.cut(num_clusters))
        sums, counts = local_unit_sums(sample, labels, num_clusters)
        points = merged_prototypes(found.tree, found.points, num_clusters, manifold=found.manifold)
        upper = Hierarchy(found.tree.over_clusters(num_clusters), points, found.report)
        centroids = sums / counts.unsqueeze(1)
        clusters = torch.arange(num_clusters)
        return ClusterTree.from_hierarchy(upper, clusters, counts, centroids, num_clusters, self.similarity)

    def _with_members(self, upper: ClusterTree, features: Tensor, labels: Tensor) -> ClusterTree:
        """Return the tree with counts and centroids of all samples; empty branches keep their own."""
        sums, counts = unit_sums(features, labels, upper.num_clusters)
        has_members = (counts > 0).unsqueeze(1)
        centroids = torch.where(has_members, sums / counts.clamp_min(1).unsqueeze(1), upper.centroids)
        return replace(upper, counts=counts.clamp_min(1), centroids=centroids)

    def _numbered(self, tree: ClusterTree, head: int) -> ClusterTree:
        """Give each branch the number of the most similar branch of the last pass, one to one.

        A cut numbers its branches from left to right, so a head would have to learn new numbers in each pass
        (docs/methods/shhc.md#paper-and-code).
        """
        from scipy.optimize import linear_sum_assignment

        numbers = torch.arange(tree.num_clusters)
        if (previous := self._centroids.get(head)) is not None:
            cosines = F.normalize(tree.centroids, dim=1) @ F.normalize(previous, dim=1).T
            numbers = torch.from_numpy(linear_sum_assignment(cosines.numpy(), maximize=True)[1])
        self._centroids[head] = torch.empty_like(tree.centroids).index_copy_(0, numbers, tree.centroids)
        return replace(tree, clusters=numbers)

    def state_dict(self) -> dict[str, Any]:
        """Return the centroids of each head in the last pass, from which branches get their numbers."""
        return {"centroids": dict(self._centroids)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the result of ``state_dict``."""
        self._centroids = dict(state_dict["centroids"])
