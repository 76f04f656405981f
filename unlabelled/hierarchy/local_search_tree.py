"""A hierarchy that never costs more than linkage or the method it starts from, and mostly less.

Local moves lower the exact Dasgupta cost of the tree of the published procedure and of those of linkage. This
is ours: docs/methods/shhc.md#tree-search.
"""

from __future__ import annotations

from unlabelled.hierarchy.base import Hierarchy, HierarchyMethod, with_average_heights
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.linkage import LINKAGES, Linkage, LinkageName
from unlabelled.hierarchy.local_moves import LocalSearch
from unlabelled.hierarchy.post_clustering import PostClustering


class LocalSearchTree(HierarchyMethod):
    """Local moves from the trees of another method and of linkage; the result costs at most as much as each.

    The points are those of the other method; the moves do not change them.

    Args:
        hierarchy: The other method; None: :class:`PostClustering`.
        search: The local moves; None: with their defaults.
        linkages: Linkages whose trees are starts as well.
    """

    def __init__(
        self,
        hierarchy: HierarchyMethod | None = None,
        search: LocalSearch | None = None,
        linkages: tuple[LinkageName, ...] = LINKAGES,
    ) -> None:
        self.hierarchy: HierarchyMethod = PostClustering() if hierarchy is None else hierarchy
        self.search = LocalSearch() if search is None else search
        self.linkages = linkages

    def fit(self, leaves: Leaves, seed: int = 0) -> Hierarchy:
        """Return the cheapest tree, merges ordered by mean dissimilarity, with the other method's points."""
        given = self.hierarchy.fit(leaves, seed)
        starts = [given.tree, *(Linkage(name).fit(leaves).tree for name in self.linkages)]
        found = self.search.improve(starts, leaves.weights, leaves.counts, seed)
        report = found.report | {"cost_given": given.report["dasgupta_1x"], "dasgupta_1x": found.cost}
        tree = with_average_heights(found.tree, leaves)
        return Hierarchy(tree, given.points, report, given.manifold)
