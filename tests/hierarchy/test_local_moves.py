"""The search: optimal where all trees can be tried, never worse than its starts, a function of its seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests._helpers.hierarchy_oracles import all_trees, brute_force_cost, random_leaves, some_tree
from unlabelled.hierarchy import Leaves, Linkage, LocalSearch, Tree, all_gains, dasgupta_1x
from unlabelled.hierarchy.linkage import LINKAGES
from unlabelled.hierarchy.tree_search import TreeSearch


def test_there_are_as_many_trees_as_there_should_be() -> None:
    assert [sum(1 for _ in all_trees(count)) for count in (2, 3, 4, 5)] == [1, 3, 15, 105]


@pytest.mark.parametrize("seed", range(4))
def test_the_best_of_all_trees_is_found(seed: int) -> None:
    leaves = random_leaves(6, seed, counts=seed % 2 == 1)
    best = min(dasgupta_1x(tree, leaves.weights, leaves.counts) for tree in all_trees(6))
    found = LocalSearch().improve([some_tree(6, 0)], leaves.weights, leaves.counts)
    assert found.cost == pytest.approx(best)
    assert found.cost == pytest.approx(brute_force_cost(found.tree, leaves.weights, leaves.counts))


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 30), st.integers(0, 10**6), st.booleans(), st.sampled_from([0, 3]))
def test_never_worse_than_the_starts_and_no_move_helps(
    num_leaves: int, seed: int, counted: bool, annealing: int
) -> None:
    leaves = random_leaves(num_leaves, seed, counts=counted)
    starts = [some_tree(num_leaves, start) for start in range(2)] + [Linkage().fit(leaves).tree]
    costs = [dasgupta_1x(tree, leaves.weights, leaves.counts) for tree in starts]
    search = LocalSearch(random_starts=1, annealing_sweeps=annealing)
    found = search.improve(starts, leaves.weights, leaves.counts, seed)
    assert found.cost <= min(costs)
    assert found.report["cost_start"] == min(costs)
    assert found.cost <= found.report["cost_descent"] <= min(costs)
    gains = all_gains(found.tree, leaves.weights, leaves.counts)
    assert (gains >= -2e-9 * leaves.weights.sum()).all()


def test_descent_only_goes_down() -> None:
    leaves = random_leaves(40, 0)
    search = TreeSearch(leaves.weights, leaves.counts)
    tree, costs = some_tree(40, 0), []
    for sweep in range(6):
        search.descend(tree, 1, np.random.default_rng(sweep))
        tree = search.tree
        costs.append(search.cost)
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.95 * dasgupta_1x(some_tree(40, 0), leaves.weights)


@pytest.mark.parametrize("similarity", ["half_cosine", "positive_cosine"])
def test_it_beats_all_linkages_on_unstructured_data(similarity: str) -> None:
    features = np.random.default_rng(0).normal(size=(50, 32))
    leaves = Leaves.from_features(features, similarity)
    trees = [Linkage(name).fit(leaves).tree for name in LINKAGES]
    best = min(dasgupta_1x(tree, leaves.weights) for tree in trees)
    plain = LocalSearch(random_starts=0, num_descents=1, annealing_sweeps=0).improve(trees, leaves.weights)
    full = LocalSearch().improve(trees, leaves.weights)
    assert full.cost <= plain.cost < best * (1 - 1e-3)


def test_a_planted_tree_is_recovered_from_a_random_start() -> None:
    planted = some_tree(24, 7)
    similarity = np.zeros((24, 24))
    for node in range(46, 23, -1):
        inside = planted.leaves(node)
        similarity[np.ix_(inside, inside)] = 47 - node
    leaves = Leaves.from_similarity(similarity)
    found = LocalSearch().improve([some_tree(24, 0)], leaves.weights)
    assert found.cost == pytest.approx(dasgupta_1x(planted, leaves.weights))


def test_the_seed_determines_the_result() -> None:
    leaves = random_leaves(25, 1)
    search, start = LocalSearch(2, annealing_sweeps=2), [some_tree(25, 0)]
    first, again, other = (search.improve(start, leaves.weights, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.tree.merges, again.tree.merges)
    assert first.report == again.report
    assert first.report["moves"] != other.report["moves"]


def test_without_time_the_best_start_is_returned() -> None:
    leaves = random_leaves(30, 0)
    starts = [some_tree(30, seed) for seed in range(3)]
    found = LocalSearch(time_limit=0).improve(starts, leaves.weights)
    assert found.cost == pytest.approx(min(dasgupta_1x(tree, leaves.weights) for tree in starts))
    assert found.report["time_limit_reached"] == 1
    unhurried = LocalSearch(1, annealing_sweeps=1, time_limit=60).improve(starts, leaves.weights)
    assert unhurried.report["time_limit_reached"] == 0


@pytest.mark.parametrize("weight", [0.0, 1.0, -1.0])
def test_constant_weights_do_not_change_the_tree(weight: float) -> None:
    weights = weight * (1 - np.eye(12))
    found = LocalSearch().improve([some_tree(12, 0)], weights)
    assert found.report["moves"] == 0
    assert found.cost == pytest.approx(weight * (12**3 - 12) / 3)


@pytest.mark.parametrize("num_leaves", [1, 2])
def test_there_are_no_moves_for_two_leaves(num_leaves: int) -> None:
    weights = np.ones((num_leaves, num_leaves)) - np.eye(num_leaves)
    found = LocalSearch().improve([some_tree(num_leaves, 0)], weights)
    assert found.cost == 2 * (num_leaves - 1)


def test_complaints() -> None:
    with pytest.raises(ValueError, match="no tree to start from"):
        LocalSearch().improve([], np.ones((2, 2)))
    with pytest.raises(ValueError, match="num_descents=0"):
        LocalSearch(num_descents=0)
    with pytest.raises(ValueError, match="cooling=2"):
        LocalSearch(cooling=2)
    with pytest.raises(ValueError, match="the tree has 3 leaves"):
        LocalSearch().improve([Tree([[0, 1], [2, 3]])], np.ones((2, 2)))
