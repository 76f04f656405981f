"""Layout of a tree in the Poincaré disk: the points of its nodes."""

from __future__ import annotations

import numpy as np
import torch

from unlabelled.hierarchy.lca import cosine_depth
from unlabelled.hierarchy.poincare import exp_at, log_at
from unlabelled.hierarchy.tree import Floats, Tree


def leaf_angles(tree: Tree) -> Floats:
    """Return the angles ``(L,)`` of the leaves, counter-clockwise in the order of the tree.

    The later the merge that joins two neighbours, the larger is their distance; the last and the first leaf
    have the distance of the root.
    """
    count = tree.num_leaves
    if count == 1:
        return np.zeros(1)
    gaps = np.empty(count)  # before each position
    from_top = np.arange(count - 1, 0, -1.0)  # 1 for the root
    widths = 1 + (0.5 + 0.02 * count) / from_top
    gaps[tree.spans[tree.merges[:, 1], 0]] = widths
    gaps[0] = widths[-1]
    angles = np.empty(count)
    angles[tree.leaf_order] = np.cumsum(gaps) * 2 * np.pi / gaps.sum()
    return angles


def leaf_radius(num_leaves: int) -> float:
    """Return the norm of the leaves, so close to 1 that the deepest merges are visibly inside."""
    return max(0.9, 1 - 2 / num_leaves)


def node_points(tree: Tree) -> Floats:
    """Return points ``(2L-1, 2)`` of the disk for all nodes.

    A merge is between its two branches, at the depth of the lowest common ancestor of leaves in the middle of
    each branch: the root is at the origin, and no node is deeper than its children.
    """
    angles, radius = leaf_angles(tree), leaf_radius(tree.num_leaves)
    first, last = (angles[tree.leaf_order[ends]] for ends in (tree.spans[:, 0], tree.spans[:, 1] - 1))
    middles = (first + last) / 2
    apart = np.abs(np.diff(middles[tree.merges], axis=1)[:, 0])
    depths = cosine_depth(torch.from_numpy(np.cos(apart)), radius).numpy()
    norms = np.concatenate([np.full(tree.num_leaves, radius), np.tanh(depths / 2)])
    points: Floats = np.stack([norms * np.cos(middles), norms * np.sin(middles)], 1)
    return points


def geodesics(begins: Floats, ends: Floats, num_points: int = 24) -> Floats:
    """Return points ``(n, num_points, 2)`` along the geodesics between ``begins`` and ``ends (n, 2)``."""
    start = torch.from_numpy(np.repeat(begins[:, None], num_points, 1))
    goal = torch.from_numpy(np.repeat(ends[:, None], num_points, 1))
    share = torch.linspace(0, 1, num_points, dtype=torch.float64)[:, None]
    lines: Floats = exp_at(start, share * log_at(start, goal)).numpy()
    return lines
