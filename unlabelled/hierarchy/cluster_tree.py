"""The hierarchy of one head: a tree whose leaves are clusters, and their points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlabelled.hierarchy.base import Hierarchy
from unlabelled.hierarchy.leaves import Leaves, Similarity
from unlabelled.hierarchy.tree import Tree


@dataclass(frozen=True, eq=False)
class ClusterTree:
    """A tree over those L of K clusters that have members.

    Args:
        tree: Tree over the L leaves.
        clusters: ``(L,)`` int64, the cluster of each leaf.
        counts: ``(L,)`` float64, numbers of samples of the leaves.
        centroids: ``(L, D)`` float64, means of the unit features of the leaves' samples.
        points: ``(L, dim)`` float64 in the manifold; None: the method does not embed leaves.
        num_clusters: K.
        similarity: The similarity that the tree was built from.
        report: Numbers to log, by name.
    """

    tree: Tree
    clusters: Tensor
    counts: Tensor
    centroids: Tensor
    points: Tensor | None
    num_clusters: int
    similarity: Similarity
    report: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_hierarchy(
        cls,
        hierarchy: Hierarchy,
        clusters: Tensor,
        counts: Tensor,
        centroids: Tensor,
        num_clusters: int,
        similarity: Similarity,
    ) -> ClusterTree:
        """Combine a hierarchy with the clusters that are its leaves."""
        return cls(
            hierarchy.tree,
            clusters,
            counts,
            centroids,
            hierarchy.points,
            num_clusters,
            similarity,
            hierarchy.report,
        )

    def cut(self, num_clusters: int) -> Tensor:
        """Return labels ``(K,)`` of the clusters, from 0 to ``num_clusters`` - 1; -1 for empty clusters.

        A tree with fewer leaves than ``num_clusters`` is cut into its leaves.
        """
        labels = torch.full((self.num_clusters,), -1)
        cut = self.tree.cut(min(num_clusters, self.tree.num_leaves))
        labels[self.clusters] = torch.from_numpy(cut)
        return labels

    def prototypes(self) -> Tensor:
        """Return the points of all K clusters ``(K, dim)`` float64; NaN for empty clusters.

        Raises:
            ValueError: The hierarchy has no points.
        """
        if self.points is None:
            raise ValueError(
                "this hierarchy has no points in a manifold, so no prototypes; build it with a method that "
                "embeds its leaves, such as unlabelled.hierarchy.LocalSearchTree"
            )
        prototypes = torch.full((self.num_clusters, self.points.shape[1]), torch.nan, dtype=torch.float64)
        prototypes[self.clusters] = self.points
        return prototypes

    def leaves(self) -> Leaves:
        """Return the leaves that the tree was built over."""
        return Leaves.from_features(self.centroids, self.similarity, self.counts)

    def state_dict(self) -> dict[str, Any]:
        """Return all fields as tensors and builtins."""
        return {
            "merges": torch.from_numpy(np.array(self.tree.merges)),
            "heights": torch.from_numpy(np.array(self.tree.heights)),
            "clusters": self.clusters,
            "counts": self.counts,
            "centroids": self.centroids,
            "points": self.points,
            "num_clusters": self.num_clusters,
            "similarity": self.similarity,
            "report": dict(self.report),
        }

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> ClusterTree:
        """Return the tree of a state from :meth:`state_dict`."""
        values = dict(state)
        tree = Tree(values.pop("merges").numpy(), values.pop("heights").numpy())
        return cls(tree=tree, **values)


def hierarchy_states(hierarchies: Sequence[ClusterTree | None]) -> list[dict[str, Any] | None]:
    """Return the states of the hierarchies of all heads, for a checkpoint."""
    return [None if hierarchy is None else hierarchy.state_dict() for hierarchy in hierarchies]


def hierarchies_from_states(states: Sequence[dict[str, Any] | None]) -> list[ClusterTree | None]:
    """Return the hierarchies of states from :func:`hierarchy_states`."""
    return [None if state is None else ClusterTree.from_state_dict(state) for state in states]
