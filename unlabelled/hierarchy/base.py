"""The interface of methods that build a hierarchy, and their result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from unlabelled.hierarchy.dasgupta import merge_sizes, merge_weights
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.manifolds import Manifold
from unlabelled.hierarchy.tree import Floats, Tree


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """A tree over leaves, and the points of the leaves in a manifold.

    Args:
        tree: Tree over the K leaves; its heights order the merges.
        points: ``(K, D)`` float64, all at one distance from the origin of the manifold; None: the method does
            not embed leaves.
        report: Numbers to log, by name; costs are ``dasgupta_1x``, which counts each pair of samples once.
        manifold: The space of the points; None: there are no points.
    """

    tree: Tree
    points: Tensor | None = None
    report: dict[str, float] = field(default_factory=dict)
    manifold: Manifold | None = None


class HierarchyMethod(ABC):
    """A method that builds a binary tree over leaves."""

    @abstractmethod
    def fit(self, leaves: Leaves, seed: int = 0) -> Hierarchy:
        """Return a hierarchy over the leaves, at least one; ``seed`` determines all random draws."""


def with_average_heights(tree: Tree, leaves: Leaves) -> Tree:
    """Return the tree with the heights of average linkage.

    A height is the mean of ``1 - w`` over the pairs of samples that the merge joins. A tree made by local
    moves has no heights, but a cut requires them, since it undoes the highest merges.
    """
    return tree.with_heights(1 - mean_weights(tree, leaves))


def mean_weights(tree: Tree, leaves: Leaves) -> Floats:
    """Return the mean of w over the pairs of samples that each merge joins, ``(K-1,)``."""
    sizes = np.concatenate([leaves.counts, merge_sizes(tree, leaves.counts)])
    means: Floats = merge_weights(tree, leaves.weights) / sizes[tree.merges].prod(1)
    return means
