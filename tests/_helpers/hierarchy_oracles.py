"""Slow and obvious versions of what unlabelled.hierarchy does fast."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from unlabelled.hierarchy import Leaves, Tree
from unlabelled.hierarchy.coarse import random_tree
from unlabelled.hierarchy.tree import Floats


def random_leaves(
    num_leaves: int, seed: int, similarity: str = "positive_cosine", counts: bool = False
) -> Leaves:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, num_leaves) if counts else None
    return Leaves.from_features(rng.normal(size=(num_leaves, 4)), similarity, sizes)


def some_tree(num_leaves: int, seed: int) -> Tree:
    return random_tree(num_leaves, np.random.default_rng(seed))


def ancestors(tree: Tree, node: int) -> list[int]:
    found = [node]
    while tree.parents[found[-1]] >= 0:
        found.append(int(tree.parents[found[-1]]))
    return found


def members(tree: Tree, node: int) -> set[int]:
    return {leaf for leaf in range(tree.num_leaves) if node in ancestors(tree, leaf)}


def clusters(tree: Tree) -> set[frozenset[int]]:
    """Return the leaves under each node: equal for trees that are the same but for numbers and heights."""
    return {frozenset(members(tree, node)) for node in range(tree.num_nodes)}


def lowest_common_ancestor(tree: Tree, i: int, j: int) -> int:
    return next(node for node in ancestors(tree, i) if node in ancestors(tree, j))


def brute_force_cost(tree: Tree, weights: Floats, counts: Floats | None = None) -> float:
    """Return the cost by its definition: every pair's weight times the leaves under its common ancestor."""
    sizes = np.ones(tree.num_leaves) if counts is None else counts
    cost = 0.0
    for i, j in itertools.combinations(range(tree.num_leaves), 2):
        under = members(tree, lowest_common_ancestor(tree, i, j))
        cost += weights[i, j] * sizes[list(under)].sum()
    return float(cost)


def regrafted(tree: Tree, subtree: int, above: int) -> Tree:
    """Take a subtree out and put it above another node, by the parents alone."""
    parents = tree.parents.tolist()
    joint = parents[subtree]
    sibling = next(node for node in range(tree.num_nodes) if parents[node] == joint and node != subtree)
    if above == sibling:
        return tree
    parents[sibling] = parents[joint]
    parents[joint] = parents[above]
    parents[above] = parents[subtree] = joint
    return Tree.from_parents(parents)


def all_trees(num_leaves: int) -> Iterator[Tree]:
    """All (2K - 3)!! binary trees over K leaves: the last leaf goes above every node of smaller trees."""

    def nested(count: int) -> Iterator[object]:
        if count == 1:
            yield 0
            return
        for smaller in nested(count - 1):
            yield from insertions(smaller, count - 1)

    def insertions(tree: object, leaf: int) -> Iterator[object]:
        yield (tree, leaf)
        if isinstance(tree, tuple):
            left, right = tree
            yield from ((changed, right) for changed in insertions(left, leaf))
            yield from ((left, changed) for changed in insertions(right, leaf))

    def merges(tree: object, out: list[list[int]]) -> int:
        if isinstance(tree, tuple):
            out.append([merges(child, out) for child in tree])
            return num_leaves + len(out) - 1
        assert isinstance(tree, int)
        return tree

    for tree in nested(num_leaves):
        out: list[list[int]] = []
        merges(tree, out)
        yield Tree(out)


def reflection_depth(x: Tensor, y: Tensor) -> Tensor:
    """HypHC's way to the LCA depth, c = 1: two circle inversions and a reflection, then half the distance."""

    def isometry(a: Tensor, point: Tensor) -> Tensor:  # the inversion that swaps a and the origin
        centre = a / a.square().sum(-1, keepdim=True)
        radius = centre.square().sum(-1, keepdim=True) - 1
        away = point - centre
        return centre + radius / away.square().sum(-1, keepdim=True) * away

    moved_y, moved_origin = isometry(x, y), x
    along = (moved_y * moved_origin).sum(-1, keepdim=True) / moved_y.square().sum(-1, keepdim=True)
    mirrored = isometry(x, 2 * along * moved_y - moved_origin)
    return mirrored.norm(dim=-1).clamp(max=1 - 1e-12).atanh()  # half of 2 artanh


def ball_points(count: int, dim: int, seed: int, largest: float = 0.95) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(
        torch.randn(count, dim, dtype=torch.float64, generator=generator), dim=1
    )
    return directions * torch.rand(count, 1, dtype=torch.float64, generator=generator) * largest
