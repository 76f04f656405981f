"""The upper part of a tree."""

from __future__ import annotations

import numpy as np

from unlabelled.hierarchy.tree import Tree


def top(tree: Tree, num_clusters: int) -> Tree:
    """Return the tree over the clusters of a cut, in the order of the cut's labels; heights stay."""
    first = len(tree.merges) - (num_clusters - 1)
    names = np.full(tree.num_nodes, -1, dtype=np.int64)
    names[tree.roots(num_clusters)] = np.arange(num_clusters)
    names[tree.num_leaves + first :] = np.arange(num_clusters, 2 * num_clusters - 1)
    return Tree(names[tree.merges[first:]], tree.heights[first:])
