"""A smaller problem whose leaves are clusters of a tree, so that only the merges of whole clusters change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlabelled.hierarchy.tree import Floats, Indices, Tree


@dataclass(frozen=True, eq=False)
class CoarseProblem:
    """Clusters of a tree as leaves of a smaller one.

    The cost of the whole tree is that of the tree over the clusters plus that of the clusters' subtrees,
    which is the same for all trees over the clusters.

    Args:
        tree: The whole tree.
        clusters: ``(M,)`` disjoint nodes of the tree that together contain all leaves.
        weights: ``(M, M)`` sums of the weights between clusters; the diagonal is 0.
        counts: ``(M,)`` numbers of samples of the clusters.
    """

    tree: Tree
    clusters: Indices
    weights: Floats
    counts: Floats

    @classmethod
    def from_cut(cls, tree: Tree, num_clusters: int, weights: Floats, counts: Floats) -> CoarseProblem:
        """Make the problem of a cut, from the leaves' ``weights (K, K)`` and ``counts (K,)``."""
        clusters = tree.roots(num_clusters)  # from left to right, like the leaves in their order
        begins, order = tree.spans[clusters, 0], tree.leaf_order
        sums = np.add.reduceat(np.add.reduceat(weights[np.ix_(order, order)], begins, 0), begins, 1)
        np.fill_diagonal(sums, 0)
        return cls(tree, clusters, (sums + sums.T) / 2, np.add.reduceat(counts[order], begins))

    def expand(self, coarse: Tree) -> Tree:
        """Return the whole tree with the clusters merged as in ``coarse``, a tree over the clusters."""
        upper = np.arange(self.tree.num_nodes - len(coarse.merges), self.tree.num_nodes)
        nodes = np.concatenate([self.clusters, upper])
        parents = self.tree.parents.copy()
        parents[nodes] = np.append(nodes, -1)[coarse.parents]  # -1, of the root, indexes the last entry
        return Tree.from_parents(parents.tolist())


def random_tree(num_leaves: int, rng: np.random.Generator) -> Tree:
    """Return a tree that merges two random clusters at a time."""
    nodes, merges = list(range(num_leaves)), []
    for new in range(num_leaves, 2 * num_leaves - 1):
        first, second = (nodes.pop(int(rng.integers(len(nodes)))) for _ in range(2))
        merges.append((first, second))
        nodes.append(new)
    return Tree(merges)
