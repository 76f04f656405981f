"""Dasgupta's cost of a tree over similarities: ``sum_(i<j) w_ij |leaves under lca(i, j)|``; lower is better.

Each pair counts once ("1x" in the names), as in the definition and in higra; HypHC's code counts it twice.
With w = 1 all binary trees cost (K^3 - K) / 3.

Source: Dasgupta 2016 (arXiv:1510.05043); HypHC's factor of two: HazyResearch/HypHC, utils/metrics.py;
docs/methods/shhc.md#dasgupta-cost.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from unlabelled.hierarchy.tree import Floats, Tree

LARGEST_BOUND = 500
"""Largest number of leaves of the lower bound, which takes O(K^3)."""


def dasgupta_1x(tree: Tree, weights: Floats, counts: ArrayLike | None = None) -> float:
    """Return the cost of a tree from the matrix of weights, in O(K^2).

    Args:
        tree: Tree over K leaves.
        weights: ``(K, K)`` symmetric, w of two leaves, or the sum of w over their samples; the diagonal is
            not used.
        counts: ``(K,)`` samples per leaf; None: 1. Pairs within one leaf are left out, since they add the
            same to all trees.

    Example:
        >>> weights = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5], [0.5, 0.5, 0.0]])
        >>> dasgupta_1x(Tree([[0, 1], [2, 3]]), weights), dasgupta_1x(Tree([[0, 2], [1, 3]]), weights)
        (5.0, 5.5)
    """
    return float(np.dot(merge_weights(tree, weights), merge_sizes(tree, counts)))


def merge_weights(tree: Tree, weights: Floats) -> Floats:
    """Return the sums of ``weights (K, K)`` between the two children of each merge, ``(K-1,)``."""
    if weights.shape != (tree.num_leaves, tree.num_leaves):
        raise ValueError(f"Dasgupta cost: weights are {weights.shape}, the tree has {tree.num_leaves} leaves")
    sums = list(weights[:, tree.leaf_order])
    between = np.empty(len(tree.merges))
    for merge, (left, right) in enumerate(tree.merges.tolist()):
        begin, end = tree.spans[right]
        between[merge] = sums[left][begin:end].sum()
        sums.append(sums[left] + sums[right])
        sums[left] = sums[right] = np.empty(0)  # frees the rows that are no longer used
    return between


def merge_sizes(tree: Tree, counts: ArrayLike | None = None) -> Floats:
    """Return the numbers of samples under the merges ``(K-1,)``, from ``counts (K,)`` per leaf; None: 1."""
    if counts is None:
        return tree.sizes[tree.num_leaves :].astype(np.float64)
    ordered = np.asarray(counts, dtype=np.float64)[tree.leaf_order]
    totals = np.concatenate([[0.0], np.cumsum(ordered)])
    begins, ends = tree.spans[tree.num_leaves :].T
    sizes: Floats = totals[ends] - totals[begins]
    return sizes


def dasgupta_1x_half_cosine(tree: Tree, sums: ArrayLike, counts: ArrayLike | None = None) -> float:
    """Return the cost over all N samples for w = (1 + cos) / 2, in O(K d), without a matrix of pairs.

    Leaf k stands for ``n_k`` samples, as a node with that many children. The weights between two clusters sum
    to ``(n_a n_b + <S_a, S_b>) / 2``. Samples are unit vectors. A zero vector gives a wrong cost without an
    error (:class:`~unlabelled.commands.hierarchy.sample_cost.SampleCost` allows it).

    Args:
        tree: Tree over K leaves.
        sums: ``(K, d)`` S, the sums of the unit vectors of the leaves' samples.
        counts: ``(K,)`` n; None: 1, then ``sums`` are the unit vectors of the leaves.
    """
    totals = np.array(sums, dtype=np.float64)
    sizes = np.ones(len(totals)) if counts is None else np.array(counts, dtype=np.float64)
    if totals.ndim != 2 or len(totals) != tree.num_leaves or sizes.shape != (len(totals),):
        raise ValueError(
            f"Dasgupta cost: sums are {totals.shape} and counts {sizes.shape}; expected "
            f"({tree.num_leaves}, d) and ({tree.num_leaves},) for this tree"
        )
    within = (sizes * (sizes - 1) + np.square(totals).sum(1) - sizes) / 4
    cost = np.dot(sizes, within)
    totals = np.concatenate([totals, np.empty((len(tree.merges), totals.shape[1]))])
    sizes = np.concatenate([sizes, np.empty(len(tree.merges))])
    for node, (left, right) in enumerate(tree.merges.tolist(), start=tree.num_leaves):
        np.add(totals[left], totals[right], out=totals[node])
        sizes[node] = sizes[left] + sizes[right]
        between = (sizes[left] * sizes[right] + totals[left] @ totals[right]) / 2
        cost += between * sizes[node]
    return float(cost)


def dasgupta_1x_lower_bound(weights: Floats) -> float:
    """Return a lower bound of the cost of all trees over ``weights (K, K)``; O(K^3), at most 500 leaves.

    A tree first separates two of the three pairs of a triplet, at best the two least similar pairs.
    """
    num_leaves = len(weights)
    if num_leaves > LARGEST_BOUND:
        raise ValueError(f"lower bound: {num_leaves} leaves, expected at most {LARGEST_BOUND} (it is O(K^3))")
    upper = np.triu(weights, 1)
    total = float(upper.sum())
    largest = 0.0
    for i in range(num_leaves - 2):
        pairs = np.maximum(
            weights[i + 1 :, i + 1 :], np.maximum.outer(weights[i, i + 1 :], weights[i, i + 1 :])
        )
        largest += float(np.triu(pairs, 1).sum())
    return (num_leaves - 2) * total - largest + 2 * total
