"""A hierarchy over the graph of nearest neighbours, whose low cost goes together with true classes.

In Dasgupta's cost of (1 + cos) / 2 nearly all weight is on pairs of distant leaves, so that its cheapest
trees arrange these rather than neighbours. On the graph of nearest neighbours the same cost and the same
search give trees that agree better with held-out samples and with classes. Ours, chosen without labels:
docs/methods/shhc.md#which-similarity.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from unlabelled.hierarchy.base import Hierarchy, HierarchyMethod, mean_weights
from unlabelled.hierarchy.dasgupta import dasgupta_1x
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.linkage import LINKAGES, Linkage
from unlabelled.hierarchy.local_moves import LocalSearch
from unlabelled.hierarchy.post_clustering import PostClustering
from unlabelled.hierarchy.tree import Floats, Tree


class NeighbourTree(HierarchyMethod):
    """Local search for the tree of lowest Dasgupta cost over the graph of nearest neighbours of the leaves.

    On the graph the tree costs at most as much as those of all linkages and of the other method. By the
    similarity of the leaves it usually costs more than the tree of
    :class:`~unlabelled.hierarchy.LocalSearchTree`, and it agrees better with classes.

    The points are those of the other method; the search does not change them.

    Args:
        hierarchy: The other method; None: :class:`PostClustering`.
        num_neighbours: Neighbours of each leaf in the graph (:func:`neighbour_graph`).
        search: The local search; None: :class:`LocalSearch` with its defaults.
    """

    def __init__(
        self,
        hierarchy: HierarchyMethod | None = None,
        num_neighbours: int = 20,
        search: LocalSearch | None = None,
    ) -> None:
        if num_neighbours < 1:
            raise ValueError(f"NeighbourTree: num_neighbours is {num_neighbours}, expected at least 1")
        self.hierarchy: HierarchyMethod = PostClustering() if hierarchy is None else hierarchy
        self.num_neighbours = num_neighbours
        self.search = LocalSearch() if search is None else search

    def fit(self, leaves: Leaves, seed: int = 0) -> Hierarchy:
        """Return the cheapest tree on the graph with the points of the other method.

        The report has the cost by the similarity of the leaves, ``dasgupta_1x``, and on the graph,
        ``graph_cost``.
        """
        given = self.hierarchy.fit(leaves, seed)
        graph = replace(leaves, similarity=neighbour_graph(leaves.similarity, self.num_neighbours))
        starts = [given.tree, *(Linkage(name).fit(leaves).tree for name in LINKAGES)]
        starts.append(Linkage("average").fit(graph).tree)
        found = self.search.improve(starts, graph.weights, graph.counts, seed)
        report = {
            "dasgupta_1x": dasgupta_1x(found.tree, leaves.weights, leaves.counts),
            "graph_cost": found.cost,
            "cost_given": given.report["dasgupta_1x"],
            "moves": found.report["moves"],
            "time_limit_reached": found.report["time_limit_reached"],
        }
        return Hierarchy(with_graph_heights(found.tree, graph), given.points, report, given.manifold)


def with_graph_heights(tree: Tree, graph: Leaves) -> Tree:
    """Return the tree with heights ``-ln w``, w the mean weight in the graph of the pairs that a merge joins.

    They order the merges as average linkage of ``1 - w`` would, but most w are near 0, where only their
    logarithms differ visibly. Without any edge a merge is 1 above the highest one with edges.
    """
    means = mean_weights(tree, graph)
    lowest = means[means > 0].min(initial=1.0)
    return tree.with_heights(-np.log(np.where(means > 0, means, lowest / np.e)))


def neighbour_graph(similarity: Floats, num_neighbours: int = 20) -> Floats:
    """Return the weights ``(K, K)`` of the graph: 1 / r from a leaf to its r-th nearest, else 0.

    The weight of a pair is the mean of both directions, so that only mutual nearest neighbours have 1.

    Args:
        similarity: ``(K, K)`` symmetric; the diagonal is not used.
        num_neighbours: Neighbours of each leaf; all others if there are fewer.

    Example:
        >>> near = np.array([[0.0, 0.9, 0.5], [0.9, 0.0, 0.1], [0.5, 0.1, 0.0]])
        >>> neighbour_graph(near, 1).tolist()
        [[0.0, 1.0, 0.5], [1.0, 0.0, 0.0], [0.5, 0.0, 0.0]]
    """
    distances = -similarity
    np.fill_diagonal(distances, np.inf)
    count = min(num_neighbours, len(distances) - 1)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :count]
    edges = np.zeros_like(distances)
    np.put_along_axis(edges, nearest, 1 / np.arange(1.0, count + 1)[None], axis=1)
    graph: Floats = (edges + edges.T) / 2
    return graph
