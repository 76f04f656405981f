"""The interface of all methods that build a hierarchy, and their result."""

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
    """A tree over leaves, and the points of the leaves in a manifold.

    Args:
        tree: Over the K leaves; its heights order the merges.
        points: ``(K, D)`` float64, at one distance from the manifold's origin, of methods that embed leaves.
        report: Numbers worth logging, by name; costs are ``dasgupta_1x``, each pair of samples counted once.
        manifold: The space of the points, if there are any.
    """

    tree: Tree
    points: Tensor | None = None
    report: dict[str, float] = field(default_factory=dict)
    manifold: Manifold | None = None


class HierarchyMethod(ABC):
    """A method that builds a binary tree over leaves."""

    @abstractmethod
    def fit(self, leaves: Leaves, seed: int = 0) -> Hierarchy:
        """Return the hierarchy of at least one leaf; ``seed`` determines all random draws."""


def with_average_heights(tree: Tree, leaves: Leaves) -> Tree:
    """Return the tree with merges ordered by ``1 - w``, averaged over all pairs of samples that they join.

    These are the heights of average linkage. A tree made by local moves has no heights, and a cut into
    clusters needs them: it undoes the highest merges.
    """
    between = merge_weights(tree, leaves.weights)
    sizes = [*leaves.counts.tolist(), *merge_sizes(tree, leaves.counts).tolist()]
    pairs = [sizes[left] * sizes[right] for left, right in tree.merges.tolist()]
    return tree.with_heights([1 - weight / count for weight, count in zip(between, pairs, strict=True)])
