"""Agreement of a tree with samples that it was not built from: nearest neighbours should join first.

Similarities between distant samples do not count, unlike in Dasgupta's cost of dense similarities. Ours:
docs/methods/shhc.md#agreement.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from unlabelled.hierarchy.dasgupta import merge_sizes
from unlabelled.hierarchy.tree import Indices, Tree

_CHUNK = 1024  # queries that are compared at once


def neighbour_agreement(tree: Tree, leaf_of: Indices, queries: Indices, neighbours: Indices) -> float:
    """Return the share of triplets (sample, neighbour, third) whose first two join first; ties count half.

    The third sample is each other one, so that the share is exact. At best it is nearly 1; trees that are
    unrelated to the samples have 0.5 on average.

    Args:
        tree: Tree over K leaves.
        leaf_of: ``(m,)`` the leaf of each sample, at least three samples.
        queries: ``(q,)`` the first samples of the triplets.
        neighbours: ``(q, k)`` nearest neighbours of each of them, without itself.

    Example:
        >>> tree = Tree([[0, 1], [2, 3], [4, 5]])
        >>> pair, other = np.array([[1]]), np.array([[2]])
        >>> neighbour_agreement(tree, np.arange(4), np.array([0]), pair)
        1.0
        >>> neighbour_agreement(tree, np.arange(4), np.array([0]), other)
        0.25
    """
    counts = np.bincount(leaf_of, minlength=tree.num_leaves).astype(np.float64)
    sizes = np.concatenate([counts, merge_sizes(tree, counts)])
    first = np.broadcast_to(leaf_of[queries][:, None], neighbours.shape)
    joint = tree.lowest_ancestors[first, leaf_of[neighbours]]
    above = len(leaf_of) - sizes[joint]
    # Two samples in one leaf tie with the others in it; else those below the sample's child join it earlier.
    closer = np.where(joint < tree.num_leaves, 1.0, sizes[_child_towards(tree, joint, first)])
    ties = sizes[joint] - closer - 1
    return float(((above + ties / 2) / (len(leaf_of) - 2)).mean())


def nearest_rows(unit: NDArray[np.floating], queries: Indices, num_neighbours: int) -> Indices:
    """Return the rows ``(q, k)`` of the largest cosines with each query, without itself, in float32.

    Args:
        unit: ``(m, d)`` unit vectors.
        queries: ``(q,)`` rows.
        num_neighbours: k, less than m.
    """
    bank = torch.from_numpy(np.asarray(unit, dtype=np.float32))
    found = []
    for begin in range(0, len(queries), _CHUNK):
        rows = torch.from_numpy(queries[begin : begin + _CHUNK])
        cosines = bank[rows] @ bank.T
        cosines[torch.arange(len(rows)), rows] = -torch.inf
        found.append(cosines.topk(num_neighbours, dim=1).indices)
    return torch.cat(found).numpy()


def _child_towards(tree: Tree, nodes: Indices, leaves: Indices) -> Indices:
    """Return the children of ``nodes`` that are above ``leaves``; any node for a leaf."""
    pairs = tree.merges[np.maximum(nodes - tree.num_leaves, 0)]
    left, right = pairs[..., 0], pairs[..., 1]
    children: Indices = np.where(tree.spans[leaves, 0] < tree.spans[left, 1], left, right)
    return children
