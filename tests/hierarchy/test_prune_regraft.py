"""Every move's gain against the cost of the moved tree, by the definition; sums kept over many moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests._helpers.hierarchy_oracles import brute_force_cost, clusters, random_leaves, regrafted, some_tree
from unlabelled.hierarchy import Linkage, MutableTree, Tree, all_gains, dasgupta_1x
from unlabelled.hierarchy.coarse import CoarseProblem


@settings(max_examples=12, deadline=None)
@given(st.integers(2, 8), st.integers(0, 10**6), st.booleans())
def test_the_gain_of_every_move_is_exact(num_leaves: int, seed: int, counted: bool) -> None:
    leaves, tree = random_leaves(num_leaves, seed, counts=counted), some_tree(num_leaves, seed)
    before = brute_force_cost(tree, leaves.weights, leaves.counts)
    gains = all_gains(tree, leaves.weights, leaves.counts)
    for subtree in range(tree.num_nodes):
        inside = {node for node in range(tree.num_nodes) if is_under(tree, node, subtree)}
        for above in range(tree.num_nodes):
            if subtree == tree.root or above in inside or above == tree.parents[subtree]:
                assert gains[subtree, above] == np.inf
                continue
            after = brute_force_cost(regrafted(tree, subtree, above), leaves.weights, leaves.counts)
            assert gains[subtree, above] == pytest.approx(after - before, abs=1e-9 * before + 1e-12)


def is_under(tree: Tree, node: int, top: int) -> bool:
    while node >= 0:
        if node == top:
            return True
        node = int(tree.parents[node])
    return False


@pytest.mark.parametrize("num_leaves", [2, 3, 13, 40])
def test_all_sums_are_right_after_many_moves(num_leaves: int) -> None:
    leaves = random_leaves(num_leaves, 3, counts=True)
    mutable = MutableTree(some_tree(num_leaves, 0), leaves.weights, leaves.counts)
    rng = np.random.default_rng(0)
    for step in range(150):
        subtree = int(rng.integers(mutable.num_nodes))
        if subtree == mutable.root:
            continue
        gains = mutable.gains(subtree).copy()
        above = int(rng.choice(np.flatnonzero(np.isfinite(gains))))
        before = mutable.cost
        mutable.move(subtree, above)
        assert mutable.cost - before == pytest.approx(gains[above], abs=1e-8 * before)
        if step % 20 == 0:
            assert dasgupta_1x(mutable.to_tree(), leaves.weights, leaves.counts) == pytest.approx(
                mutable.cost
            )


def test_gains_after_moves_are_those_of_a_fresh_tree() -> None:
    leaves = random_leaves(15, 4, counts=True)
    mutable = MutableTree(Linkage("single").fit(leaves).tree, leaves.weights, leaves.counts)
    rng = np.random.default_rng(1)
    for _ in range(30):
        subtree = int(rng.integers(mutable.num_nodes))
        if subtree != mutable.root:
            places = np.flatnonzero(np.isfinite(mutable.gains(subtree)))
            mutable.move(subtree, int(rng.choice(places)))
        leaf = int(rng.integers(15))
        now = mutable.gains(leaf)
        fresh = all_gains(mutable.to_tree(), leaves.weights, leaves.counts)[leaf]
        np.testing.assert_allclose(np.sort(now), np.sort(fresh), atol=1e-9 * mutable.cost)


def test_a_moved_tree_is_the_regrafted_one() -> None:
    leaves = random_leaves(7, 5)
    tree = some_tree(7, 1)
    for subtree in range(tree.root):
        mutable = MutableTree(tree, leaves.weights, leaves.counts)
        for above in np.flatnonzero(np.isfinite(mutable.gains(subtree))).tolist():
            fresh = MutableTree(tree, leaves.weights, leaves.counts)
            fresh.gains(subtree)
            fresh.move(subtree, above)
            assert clusters(fresh.to_tree()) == clusters(regrafted(tree, subtree, above))


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10**6), st.data())
def test_a_coarse_problem_costs_the_same_but_for_a_constant(
    num_leaves: int, seed: int, data: st.DataObject
) -> None:
    num_clusters = data.draw(st.integers(1, num_leaves))
    leaves, tree = random_leaves(num_leaves, seed, counts=True), some_tree(num_leaves, seed)
    coarse = CoarseProblem.from_cut(tree, num_clusters, leaves.weights, leaves.counts)
    differences = []
    for other in range(3):
        joined = some_tree(num_clusters, other)
        whole = coarse.expand(joined)
        kept = [set(tree.leaves(node).tolist()) for node in coarse.clusters.tolist()]
        assert {frozenset(group) for group in kept} <= clusters(whole)
        cost = brute_force_cost(whole, leaves.weights, leaves.counts)
        differences.append(cost - dasgupta_1x(joined, coarse.weights, coarse.counts))
    assert differences == pytest.approx([differences[0]] * 3, abs=1e-9 * max(1.0, cost))
