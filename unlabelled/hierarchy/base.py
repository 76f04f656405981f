"""What all ways to build a hierarchy have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from torch import Tensor

from unlabelled.hierarchy.dasgupta import merge_sizes, merge_weights
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.manifolds import Manifold
from unlabelled.hierarchy.tree import Tree


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """A tree over leaves, and where they are in a manifold.

    Args:
        tree: Over the K leaves; its heights order the merges.
        points: ``(K, D)`` float64, at one distance from the manifold's origin, of methods that embed leaves.
        report: Numbers worth logging, by name; costs are ``dasgupta_1x``, each pair of samples counted once.
        manifold: Where the points are, if there are any.
    """

    tree: Tree
    points: Tensor | None = None
    report: dict[str, float] = field(default_factory=dict)
    manifold: Manifold | None = None


class HierarchyMethod(ABC):
    """Builds a binary tree over leaves."""

    @abstractmethod
    def fit(self, leaves: Leaves, seed: int = 0) -> Hierarchy:
        """Return the hierarchy of at least one leaf; ``seed`` determines all that is random."""


def with_average_heights(tree: Tree, leaves: Leaves) -> Tree:
    """Return the tree with merges ordered by ``1 - w``, averaged over all pairs of samples that they join.

    These are the heights of average linkage. A tree made by moves has none of its own, but a cut into
    clusters undoes the highest merges.
    """
    between = merge_weights(tree, leaves.weights)
    sizes = [*leaves.counts.tolist(), *merge_sizes(tree, leaves.counts).tolist()]
    pairs = [sizes[left] * sizes[right] for left, right in tree.merges.tolist()]
    return tree.with_heights([1 - weight / count for weight, count in zip(between, pairs, strict=True)])
