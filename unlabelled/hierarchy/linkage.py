"""Agglomerative clustering by scipy: the baselines of every hierarchy.

The sHHC paper (section 5.2) interchanges the definitions of single and complete linkage; here single is the
nearest pair and complete the furthest, as usual: docs/methods/shhc.md#linkage.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from unlabelled.hierarchy.base import Hierarchy, HierarchyMethod
from unlabelled.hierarchy.dasgupta import dasgupta_1x
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.tree import Floats, Tree

LinkageName = Literal["single", "complete", "average", "ward"]
LINKAGES: tuple[LinkageName, ...] = ("single", "complete", "average", "ward")


class Linkage(HierarchyMethod):
    """Merge the two closest clusters repeatedly, until one is left.

    Distances are ``1 - w``; Ward's method takes Euclidean ones between the unit features or, where there are
    only similarities, ``sqrt(2 (1 - w))``. Every leaf counts once, whatever its number of samples.

    Args:
        method: The distance of two clusters: the smallest between their leaves (``single``), the
            largest (``complete``), the mean (``average``), or the growth of the sum of squares (``ward``).
    """

    def __init__(self, method: LinkageName = "average") -> None:
        if method not in LINKAGES:
            raise ValueError(f"Linkage: method is {method!r}, expected one of {', '.join(LINKAGES)}")
        self.method = method

    def fit(self, leaves: Leaves, seed: int = 0) -> Hierarchy:
        """Return scipy's tree; nothing is random."""
        tree = link(self._distances(leaves), self.method)
        return Hierarchy(tree, report={"dasgupta_1x": dasgupta_1x(tree, leaves.weights, leaves.counts)})

    def _distances(self, leaves: Leaves) -> Floats:
        if self.method != "ward":
            return leaves.dissimilarity
        if leaves.features is None:
            return np.sqrt(2 * leaves.dissimilarity)
        squares = np.maximum(2 - 2 * leaves.features @ leaves.features.T, 0)
        return np.sqrt(squares)


def link(distances: Floats, method: LinkageName) -> Tree:
    """Return the tree of ``distances (K, K)``, of which only the upper triangle counts."""
    condensed = squareform(distances, checks=False)
    return Tree.from_linkage(linkage(condensed, method)) if len(condensed) else Tree([])
