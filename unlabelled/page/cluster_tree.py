"""A tree whose cuts are finer and coarser clusters than those of a method.

The clusters of the method are divided by k-means, and merged by the tree of lowest Dasgupta cost. Hence the
tree has a cut with exactly the clusters of the method. Ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from unlabelled.clustering.kmeans import kmeans
from unlabelled.hierarchy.base import with_average_heights
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.linkage import LINKAGES, Linkage
from unlabelled.hierarchy.local_moves import LocalSearch
from unlabelled.hierarchy.tree import Indices, Tree
from unlabelled.seeding import derive_seed

FEWEST_SAMPLES = 4
"""Smallest mean number of samples of the leaves of one cluster."""
_MOST_IMPROVED = 300
"""Largest number of leaves whose tree is improved by local search, which takes quadratic time per sweep."""


@dataclass(frozen=True, eq=False)
class FineTree:
    """The leaves of n samples, and the tree over them.

    Args:
        leaf_of: ``(n,)`` the leaf of each sample.
        tree: The tree over the leaves.
        cluster_of_leaf: ``(L,)`` the method's cluster of each leaf.
        num_clusters: The cut that has the clusters of the method, without empty ones.
    """

    leaf_of: Indices
    tree: Tree
    cluster_of_leaf: Indices
    num_clusters: int


def fine_tree(features: NDArray[np.float32], clusters: Indices, num_leaves: int, seed: int = 0) -> FineTree:
    """Return about ``num_leaves`` leaves inside the clusters of a method, and their tree.

    Args:
        features: ``(n, D)`` unit vectors; rows of zeros are allowed.
        clusters: ``(n,)`` the method's cluster of each sample, from 0; some may be empty.
        num_leaves: Number of leaves. Each cluster has a share by its size, and at least one.
        seed: Seed of k-means and of the search.

    >>> rows = np.repeat(np.eye(3, dtype=np.float32), 8, 0)
    >>> fine = fine_tree(rows, np.repeat([0, 0, 4], 8), num_leaves=3)
    >>> fine.tree.num_leaves, fine.num_clusters, fine.cluster_of_leaf.tolist()
    (3, 2, [0, 0, 4])
    """
    leaf_of = np.empty(len(clusters), dtype=np.int64)
    parts: list[Tree] = []
    present = np.unique(clusters)
    cluster_of_leaf: list[int] = []
    for cluster in present.tolist():
        rows = np.flatnonzero(clusters == cluster)
        share = round(num_leaves * len(rows) / len(clusters))
        count = max(1, min(share, len(rows) // FEWEST_SAMPLES))
        labels = _divide(features[rows], count, derive_seed(seed, "page", cluster) % 2**31)
        leaf_of[rows] = len(cluster_of_leaf) + labels
        parts.append(_search(features[rows], labels, seed))
        cluster_of_leaf += [cluster] * parts[-1].num_leaves
    upper = _search(features, np.searchsorted(present, clusters), seed)
    return FineTree(leaf_of, _joined(parts, upper), np.array(cluster_of_leaf), len(present))


def _divide(features: NDArray[np.float32], count: int, seed: int) -> Indices:
    """Return labels from 0 without gaps; fewer than ``count`` if rows are equal."""
    if count == 1:
        return np.zeros(len(features), dtype=np.int64)
    labels = kmeans(torch.from_numpy(features), count, seed).numpy()
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _search(features: NDArray[np.float32], labels: Indices, seed: int) -> Tree:
    """Return the cheapest tree found over the groups ``labels`` of some samples."""
    counts = np.bincount(labels).astype(np.float64)
    if len(counts) < 2:
        return Tree([])
    sums = np.zeros((len(counts), features.shape[1]))
    np.add.at(sums, labels, features)
    leaves = Leaves.from_features(sums / counts[:, None], counts=counts)
    if len(counts) == 2:
        return with_average_heights(Tree([[0, 1]]), leaves)
    if len(counts) > _MOST_IMPROVED:
        return Linkage("average", by_size=True).fit(leaves).tree
    starts = [Linkage(name).fit(leaves).tree for name in LINKAGES]
    found = LocalSearch().improve(starts, leaves.weights, leaves.counts, seed)
    return with_average_heights(found.tree, leaves)


def _joined(parts: list[Tree], upper: Tree) -> Tree:
    """Return the tree of all leaves of ``parts``, whose roots are the leaves of ``upper``.

    All merges of the parts precede those of ``upper``, whose heights are raised where they are lower.
    """
    total = sum(part.num_leaves for part in parts)
    within: list[tuple[float, int, int]] = []  # height, part, merge
    for number, part in enumerate(parts):
        within += [(float(height), number, merge) for merge, height in enumerate(part.heights)]
    within.sort()
    first = np.cumsum([0, *(part.num_leaves for part in parts)]).tolist()
    names = [list(range(first[number], first[number + 1])) for number in range(len(parts))]
    merges: list[list[int]] = []
    for _, number, merge in within:
        merges.append([names[number][node] for node in parts[number].merges[merge].tolist()])
        names[number].append(total + len(merges) - 1)
    tops = [each[-1] for each in names]
    for left, right in upper.merges.tolist():
        merges.append([tops[left], tops[right]])
        tops.append(total + len(merges) - 1)
    heights = [height for height, _, _ in within]
    lowest = heights[-1] if heights else -np.inf
    return Tree(merges, [*heights, *np.maximum(upper.heights, lowest).tolist()])
