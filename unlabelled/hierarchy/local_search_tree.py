"""A hierarchy by local search, which costs at most as much as linkage and the method that it starts from.

Local moves lower the exact Dasgupta cost of the tree of the published procedure and of the trees of linkage.
The method is ours: docs/methods/shhc.md#tree-search.
"""

from __future__ import annotations

from unlabelled.hierarchy.base import Hierarchy, HierarchyMethod, with_average_heights
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.linkage import LINKAGES, Linkage, LinkageName
from unlabelled.hierarchy.local_moves import LocalSearch
from unlabelled.hierarchy.post_clustering import PostClustering


class LocalSearchTree(HierarchyMethod):
    """Local search from the trees of another method and of linkage; the result costs at most as much as each.

    The points are those of the other method; the search does not change them.

    Args:
        hierarchy: The other method; None: :class:`PostClustering`.
        search: The local search; None: :class:`LocalSearch` with its defaults.
        linkages: Linkages whose trees are starting points, too.
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
        """Return the cheapest tree with heights of average linkage and the points of the other method."""
        given = self.hierarchy.fit(leaves, seed)
        starts = [given.tree, *(Linkage(name).fit(leaves).tree for name in self.linkages)]
        found = self.search.improve(starts, leaves.weights, leaves.counts, seed)
        report = found.report | {"cost_given": given.report["dasgupta_1x"], "dasgupta_1x": found.cost}
        tree = with_average_heights(found.tree, leaves)
        return Hierarchy(tree, given.points, report, given.manifold)
