"""Agreement with held-out samples, compared with its definition triplet by triplet."""

from __future__ import annotations

import numpy as np
import pytest

from tests._helpers.hierarchy_oracles import ancestors, lowest_common_ancestor, random_leaves, some_tree
from unlabelled.hierarchy import Linkage, Tree, nearest_rows, neighbour_agreement, unit_rows
from unlabelled.hierarchy.tree import Indices


def by_definition(tree: Tree, leaf_of: Indices, queries: Indices, neighbours: Indices) -> float:
    depth = [len(ancestors(tree, node)) for node in range(tree.num_nodes)]
    found = []
    for sample, row in zip(queries.tolist(), neighbours.tolist(), strict=True):
        for neighbour in row:
            own = depth[lowest_common_ancestor(tree, leaf_of[sample], leaf_of[neighbour])]
            for third in set(range(len(leaf_of))) - {sample, neighbour}:
                other = depth[lowest_common_ancestor(tree, leaf_of[sample], leaf_of[third])]
                found.append(1.0 if own > other else 0.5 if own == other else 0.0)
    return float(np.mean(found))


@pytest.mark.parametrize("seed", range(6))
def test_the_share_is_that_of_all_triplets(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tree = some_tree(7, seed)
    leaf_of = rng.integers(0, 5 + seed % 3, 14)  # several samples per leaf; with some seeds empty leaves
    queries = rng.permutation(14)[:5]
    others = [np.delete(np.arange(14), query) for query in queries]
    neighbours = np.stack([rng.permutation(rows)[:3] for rows in others])
    expected = by_definition(tree, leaf_of, queries, neighbours)
    assert neighbour_agreement(tree, leaf_of, queries, neighbours) == pytest.approx(expected, abs=1e-12)


def test_random_trees_have_one_half_on_average_and_the_own_tree_more() -> None:
    leaves = random_leaves(40, 0)
    assert leaves.features is not None
    rows = np.arange(40)
    neighbours = nearest_rows(leaves.features, rows, 3)
    chance = [neighbour_agreement(some_tree(40, seed), rows, rows, neighbours) for seed in range(30)]
    assert np.mean(chance) == pytest.approx(0.5, abs=0.02)
    assert neighbour_agreement(Linkage().fit(leaves).tree, rows, rows, neighbours) > 0.8


def test_lowest_ancestors() -> None:
    for seed in range(4):
        tree = some_tree(9, seed)
        expected = [[lowest_common_ancestor(tree, i, j) for j in range(9)] for i in range(9)]
        assert tree.lowest_ancestors.tolist() == expected
    assert Tree([]).lowest_ancestors.tolist() == [[0]]


def test_nearest_rows_leave_out_the_query_and_cross_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unlabelled.hierarchy.agreement._CHUNK", 4)
    unit = unit_rows(np.random.default_rng(0).normal(size=(11, 3)))
    unit[7] = unit[2]  # an equal row is a neighbour, the row itself is not
    queries = np.array([2, 0, 7, 10, 4, 9])
    found = nearest_rows(unit, queries, 4)
    assert found[0, 0] == 7
    assert found[2, 0] == 2
    for query, row in zip(queries, found, strict=True):
        others = np.delete(np.arange(11), query)
        expected = others[np.argsort(-(unit[others] @ unit[query]))][:4]
        assert row.tolist() == expected.tolist()
