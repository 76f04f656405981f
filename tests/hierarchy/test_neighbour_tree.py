"""The graph of nearest neighbours and the trees over it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from tests._helpers.hierarchy_oracles import brute_force_cost, members, random_leaves
from unlabelled.hierarchy import (
    Leaves,
    Linkage,
    LocalSearch,
    LocalSearchTree,
    NeighbourTree,
    dasgupta_1x,
    neighbour_graph,
)
from unlabelled.hierarchy.base import mean_weights, with_average_heights
from unlabelled.hierarchy.linkage import LINKAGES
from unlabelled.metrics import dendrogram_purity

SHORT = LocalSearch(random_starts=1, num_descents=1, annealing_sweeps=2)


def test_weights_are_inverse_ranks_in_both_directions() -> None:
    similarity = random_leaves(9, 0).similarity
    graph = neighbour_graph(similarity, 4)
    expected = np.zeros((9, 9))
    for leaf in range(9):
        others = np.delete(np.arange(9), leaf)
        nearest = others[np.argsort(-similarity[leaf, others], kind="stable")][:4]
        for rank, other in enumerate(nearest, start=1):
            expected[leaf, other] += 0.5 / rank
            expected[other, leaf] += 0.5 / rank
    np.testing.assert_allclose(graph, expected)
    assert np.array_equal(similarity, random_leaves(9, 0).similarity)  # the input is not changed
    assert neighbour_graph(np.zeros((1, 1))).tolist() == [[0.0]]
    assert (neighbour_graph(similarity, 99) > 0).sum() == 72


def test_the_tree_is_never_worse_on_the_graph_than_what_it_starts_from() -> None:
    leaves = random_leaves(30, 1, counts=True)
    found = NeighbourTree(Linkage("single"), num_neighbours=4, search=SHORT).fit(leaves, seed=2)
    graph = replace(leaves, similarity=neighbour_graph(leaves.similarity, 4))
    assert found.report["graph_cost"] == pytest.approx(
        brute_force_cost(found.tree, graph.weights, graph.counts)
    )
    for name in LINKAGES:
        tree = Linkage(name).fit(leaves).tree
        assert found.report["graph_cost"] <= dasgupta_1x(tree, graph.weights, graph.counts)
    cheapest = LocalSearchTree(Linkage("single"), SHORT).fit(leaves, seed=2).report["dasgupta_1x"]
    assert found.report["dasgupta_1x"] > cheapest  # of another objective


def test_handwritten_digits_are_purer_than_in_the_cheapest_tree() -> None:
    digits = load_digits()
    leaves = Leaves.from_features(digits.data[:200])
    table = torch.nn.functional.one_hot(torch.from_numpy(digits.target[:200]))
    graph = NeighbourTree(Linkage(), search=SHORT).fit(leaves)
    cheapest = LocalSearchTree(Linkage(), SHORT).fit(leaves)
    assert graph.report["dasgupta_1x"] > cheapest.report["dasgupta_1x"]
    assert dendrogram_purity(graph.tree, table) > dendrogram_purity(cheapest.tree, table) + 0.05


def test_heights_order_the_merges_like_the_mean_weights_of_the_graph() -> None:
    leaves = random_leaves(24, 3, counts=True)
    found = NeighbourTree(Linkage(), num_neighbours=1, search=SHORT).fit(leaves).tree
    graph = replace(leaves, similarity=neighbour_graph(leaves.similarity, 1))
    means = mean_weights(found, graph)
    expected: list[float] = []
    highest = -np.log(means[means > 0].min())
    for merge, pair in enumerate(found.merges.tolist()):
        left, right = (sorted(members(found, node)) for node in pair)
        pairs = np.outer(graph.counts[left], graph.counts[right])
        mean = np.average(graph.similarity[np.ix_(left, right)], weights=pairs)
        assert means[merge] == pytest.approx(mean)
        own = -np.log(mean) if mean > 0 else highest + 1
        expected.append(max([own, *(expected[node - 24] for node in pair if node >= 24)]))
    np.testing.assert_allclose(found.heights, expected)
    assert (means == 0).any()  # the graph has several parts
    average = with_average_heights(found, graph)
    assert all(found.cut(k).tolist() == average.cut(k).tolist() for k in (2, 5, 12))


def test_complaint() -> None:
    with pytest.raises(ValueError, match="num_neighbours is 0"):
        NeighbourTree(num_neighbours=0)
