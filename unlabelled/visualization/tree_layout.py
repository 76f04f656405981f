"""Where the nodes of a tree are in the Poincaré disk, when it is laid out there."""

from __future__ import annotations

import numpy as np
import torch

from unlabelled.hierarchy.lca import cosine_depth
from unlabelled.hierarchy.poincare import exp_at, log_at
from unlabelled.hierarchy.tree import Floats, Tree


def leaf_angles(tree: Tree) -> Floats:
    """Return the angles ``(L,)`` of the leaves, counter-clockwise in the tree's order.

    Neighbours are the further apart the later the merge that joins them; the root parts the last leaf from
    the first.
    """
    count = tree.num_leaves
    if count == 1:
        return np.zeros(1)
    gaps = np.empty(count)  # in front of each place
    from_top = np.arange(count - 1, 0, -1.0)  # the root is 1
    widths = 1 + (0.5 + 0.02 * count) / from_top
    gaps[tree.spans[tree.merges[:, 1], 0]] = widths
    gaps[0] = widths[-1]
    places = np.cumsum(gaps) * 2 * np.pi / gaps.sum()
    angles = np.empty(count)
    angles[tree.leaf_order] = places
    return angles


def leaf_radius(num_leaves: int) -> float:
    """Return the norm of the leaves: near the border, so that the deepest merges stay visibly inside."""
    return max(0.9, 1 - 2 / num_leaves)


def node_points(tree: Tree) -> Floats:
    """Return a point ``(2L-1, 2)`` of the disk for every node.

    A merge lies between its two branches, as deep as the lowest common ancestor of leaves in the middle of
    each: the root at the origin, and no node deeper than its children.
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
