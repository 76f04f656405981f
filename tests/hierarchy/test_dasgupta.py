"""Dasgupta's cost: docs/methods/shhc.md#worked-examples, the definition by brute force, invariants."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests._helpers.hierarchy_oracles import all_trees, brute_force_cost, random_leaves, some_tree
from unlabelled.hierarchy import (
    Leaves,
    Linkage,
    Tree,
    dasgupta_1x,
    dasgupta_1x_half_cosine,
    dasgupta_1x_lower_bound,
    unit_rows,
)

WEIGHTS = np.zeros((4, 4))
for (i, j), w in {(0, 1): 0.9, (0, 2): 0.2, (0, 3): 0.4, (1, 2): 0.1, (1, 3): 0.5, (2, 3): 0.3}.items():
    WEIGHTS[i, j] = WEIGHTS[j, i] = w


@pytest.mark.parametrize(
    ("merges", "cost"),
    [([[0, 1], [2, 3], [4, 5]], 7.2), ([[0, 1], [4, 3], [5, 2]], 6.9), ([[2, 0], [4, 1], [5, 3]], 8.2)],
)
def test_worked_examples(merges: list[list[int]], cost: float) -> None:
    assert dasgupta_1x(Tree(merges), WEIGHTS) == pytest.approx(cost, abs=1e-12)
    assert dasgupta_1x_lower_bound(WEIGHTS) == pytest.approx(6.9, abs=1e-12)


@pytest.mark.parametrize("num_leaves", [1, 2, 3, 4, 10, 100])
def test_with_unit_weights_every_tree_costs_the_same(num_leaves: int) -> None:
    ones = np.ones((num_leaves, num_leaves))
    for seed in range(3):
        assert dasgupta_1x(some_tree(num_leaves, seed), ones) == (num_leaves**3 - num_leaves) / 3


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 9), st.integers(0, 10**6), st.booleans())
def test_the_definition_and_its_invariants(num_leaves: int, seed: int, counted: bool) -> None:
    leaves, tree = random_leaves(num_leaves, seed, counts=counted), some_tree(num_leaves, seed)
    cost = dasgupta_1x(tree, leaves.weights, leaves.counts)
    assert cost == pytest.approx(brute_force_cost(tree, leaves.weights, leaves.counts), rel=1e-12)
    assert dasgupta_1x(tree, 3 * leaves.weights, leaves.counts) == pytest.approx(3 * cost)
    order = np.random.default_rng(seed).permutation(num_leaves)
    names = np.append(np.argsort(order), np.arange(num_leaves, tree.num_nodes))
    relabelled = Tree(names[tree.merges])
    moved = leaves.weights[np.ix_(order, order)]
    assert dasgupta_1x(relabelled, moved, leaves.counts[order]) == pytest.approx(cost)
    assert dasgupta_1x(tree, leaves.weights + 7 * np.eye(num_leaves), leaves.counts) == pytest.approx(cost)
    if not counted:
        assert cost >= dasgupta_1x_lower_bound(leaves.similarity) - 1e-12


def test_the_lower_bound_is_met_and_not_exceeded() -> None:
    for seed in range(5):
        weights = random_leaves(5, seed, "half_cosine").similarity
        best = min(dasgupta_1x(tree, weights) for tree in all_trees(5))
        bound = dasgupta_1x_lower_bound(weights)
        expected = (
            sum(
                sum(pairs) - max(pairs)
                for triple in itertools.combinations(range(5), 3)
                for pairs in [[weights[i, j] for i, j in itertools.combinations(triple, 2)]]
            )
            + 2 * np.triu(weights, 1).sum()
        )
        assert bound == pytest.approx(expected)
        assert bound <= best + 1e-12
    tree, depth = some_tree(8, 0), np.zeros((8, 8))
    for node in range(8, 15):  # an ultrametric similarity: the bound is the cost of its own tree
        members = tree.leaves(node)
        depth[np.ix_(members, members)] = np.maximum(depth[np.ix_(members, members)], 15 - node)
    for node in range(14, 7, -1):
        members = tree.leaves(node)
        depth[np.ix_(members, members)] = 15 - node
    assert dasgupta_1x_lower_bound(depth) == pytest.approx(dasgupta_1x(tree, depth))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(0, 10**6))
def test_sums_give_the_cost_of_all_samples(num_leaves: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 5, num_leaves)
    samples = unit_rows(rng.normal(size=(counts.sum(), 3)))
    bags = np.repeat(np.arange(num_leaves), counts)
    sums = np.stack([samples[bags == bag].sum(0) for bag in range(num_leaves)])
    tree = some_tree(num_leaves, seed)
    between = (1 + samples @ samples.T) / 2
    weights = np.array([[between[np.ix_(bags == a, bags == b)].sum() for b in range(num_leaves)]
                        for a in range(num_leaves)])  # fmt: skip
    stars = sum(
        count * np.triu(between[np.ix_(bags == bag, bags == bag)], 1).sum()
        for bag, count in enumerate(counts)
    )
    expected = dasgupta_1x(tree, weights, counts) + stars
    assert dasgupta_1x_half_cosine(tree, sums, counts) == pytest.approx(expected, rel=1e-12)
    assert dasgupta_1x_half_cosine(tree, sums, counts) == pytest.approx(
        brute_force_cost(tree, weights, counts.astype(float)) + stars, rel=1e-12
    )


def test_features_and_matrix_agree_for_centroids() -> None:
    leaves = Leaves.from_features(np.random.default_rng(0).normal(size=(200, 16)), "half_cosine")
    for name in ("single", "average", "ward"):
        tree = Linkage(name).fit(leaves).tree
        assert leaves.features is not None
        dense = dasgupta_1x(tree, leaves.similarity)
        assert dasgupta_1x_half_cosine(tree, leaves.features) == pytest.approx(dense, rel=1e-13)


def test_a_star_of_equal_samples() -> None:
    cost = dasgupta_1x_half_cosine(Tree([]), [[6.0, 0.0]], [6])
    assert cost == pytest.approx(6 * math.comb(6, 2))


def test_higra_agrees() -> None:
    hg = pytest.importorskip("higra")
    leaves = random_leaves(60, 0)
    tree = Linkage("average").fit(leaves).tree
    graph = hg.UndirectedGraph(60)
    sources, targets = np.triu_indices(60, 1)
    graph.add_edges(sources, targets)
    theirs = hg.dasgupta_cost(
        hg.Tree(np.append(tree.parents[:-1], tree.root)),
        leaves.similarity[sources, targets],
        graph,
        "similarity",
    )
    assert dasgupta_1x(tree, leaves.similarity) == pytest.approx(theirs, rel=1e-10)


def test_complaints() -> None:
    with pytest.raises(ValueError, match=r"weights are \(3, 3\), the tree has 4 leaves"):
        dasgupta_1x(some_tree(4, 0), np.ones((3, 3)))
    with pytest.raises(ValueError, match="501 leaves, expected at most 500"):
        dasgupta_1x_lower_bound(np.ones((501, 501)))
    with pytest.raises(ValueError, match=r"expected \(4, d\) and \(4,\)"):
        dasgupta_1x_half_cosine(some_tree(4, 0), np.ones((3, 2)))
