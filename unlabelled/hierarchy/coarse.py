"""The same problem with fewer leaves: clusters that stay whole, so that only their joins are searched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlabelled.hierarchy.tree import Floats, Indices, Tree


@dataclass(frozen=True, eq=False)
class CoarseProblem:
    """Clusters of a tree as leaves of a smaller one.

    The whole tree costs the tree over the clusters plus the clusters' own subtrees, which are the same for
    all trees over the clusters.

    Args:
        tree: The whole tree.
        clusters: ``(M,)`` disjoint nodes of it that hold all leaves.
        weights: ``(M, M)`` sums of the weights between clusters; the diagonal is 0.
        counts: ``(M,)`` samples per cluster.
    """

    tree: Tree
    clusters: Indices
    weights: Floats
    counts: Floats

    @classmethod
    def from_cut(cls, tree: Tree, num_clusters: int, weights: Floats, counts: Floats) -> CoarseProblem:
        """Undo the last merges of ``tree``, with ``weights (K, K)`` and ``counts (K,)`` of its leaves."""
        clusters = tree.roots(num_clusters)  # from left to right, like the leaves in their order
        begins, order = tree.spans[clusters, 0], tree.leaf_order
        sums = np.add.reduceat(np.add.reduceat(weights[np.ix_(order, order)], begins, 0), begins, 1)
        np.fill_diagonal(sums, 0)
        return cls(tree, clusters, (sums + sums.T) / 2, np.add.reduceat(counts[order], begins))

    def expand(self, coarse: Tree) -> Tree:
        """Return the whole tree with the clusters joined as in ``coarse``, a tree over them."""
        upper = np.arange(self.tree.num_nodes - len(coarse.merges), self.tree.num_nodes)
        names = np.concatenate([self.clusters, upper])
        parents = self.tree.parents.copy()
        parents[names] = np.append(names, -1)[coarse.parents]  # -1, the root's, takes the last
        return Tree.from_parents(parents.tolist())


def random_tree(num_leaves: int, rng: np.random.Generator) -> Tree:
    """Return a tree made by merging two random clusters at a time."""
    nodes, merges = list(range(num_leaves)), []
    for new in range(num_leaves, 2 * num_leaves - 1):
        first, second = (nodes.pop(int(rng.integers(len(nodes)))) for _ in range(2))
        merges.append((first, second))
        nodes.append(new)
    return Tree(merges)
