"""Trees against classes: dendrogram purity by its definition and by higra, and levels of a tree."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests._helpers.hierarchy_oracles import brute_force_cost, lowest_common_ancestor, members, some_tree
from unlabelled.hierarchy import Leaves, Linkage, Tree
from unlabelled.hierarchy.cluster_tree import ClusterTree
from unlabelled.metrics import (
    HierarchyScoring,
    contingency,
    dendrogram_purity,
    level_scores,
    merged_rows,
    rebuilt_trees,
)


def brute_force_purity(tree: Tree, table: Tensor) -> float:
    """Ask of every pair of samples of a class what share of it is where they meet."""
    samples = [
        (leaf, label)
        for leaf, row in enumerate(table.tolist())
        for label, count in enumerate(row)
        for _ in range(count)
    ]
    shares = []
    for (i, label), (j, other) in itertools.combinations(samples, 2):
        if label == other:
            under = members(tree, lowest_common_ancestor(tree, i, j))
            classes = [each for leaf, each in samples if leaf in under]
            shares.append(classes.count(label) / len(classes))
    return float(np.mean(shares)) if shares else math.nan


def random_table(num_leaves: int, num_classes: int, seed: int, most: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(most, (num_leaves, num_classes), generator=generator)


def test_worked_example() -> None:
    tree = Tree([[0, 1], [2, 3], [4, 5]])  # ((0, 1), (2, 3))
    one_each = torch.tensor([[1, 0], [1, 0], [0, 1], [1, 0]])
    # the pair (0, 1) meets in a pure node, (0, 3) and (1, 3) in the root, where 3 of 4 are of their class
    assert dendrogram_purity(tree, one_each) == pytest.approx((1 + 2 * 3 / 4) / 3)
    within = torch.tensor([[2, 1], [0, 0], [0, 2], [0, 0]])
    # a pair in leaf 0 (2 of 3), one in leaf 2 (1), two across (3 of 5)
    assert dendrogram_purity(tree, within) == pytest.approx((2 / 3 + 1 + 2 * 3 / 5) / 4)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.integers(1, 4), st.integers(0, 10**6))
def test_the_definition(num_leaves: int, num_classes: int, seed: int) -> None:
    tree, table = some_tree(num_leaves, seed), random_table(num_leaves, num_classes, seed, 3)
    expected = brute_force_purity(tree, table)
    assert dendrogram_purity(tree, table) == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("seed", range(3))
def test_leaves_of_many_samples_are_stars_in_higra(seed: int) -> None:
    higra = pytest.importorskip("higra")
    tree, table = some_tree(12, seed), random_table(12, 3, seed)
    table[:, 0] += 1  # a leaf without samples would be a sample in higra's tree
    leaf, label = table.nonzero().repeat_interleave(table[table > 0], 0).T
    parents = [len(leaf) + int(each) for each in leaf]
    parents += [len(leaf) + parent for parent in tree.parents.tolist()]
    parents[-1] = len(parents) - 1  # the root is its own parent
    expected = higra.dendrogram_purity(higra.Tree(np.array(parents)), label.numpy())
    assert dendrogram_purity(tree, table) == pytest.approx(expected, rel=1e-12)


def test_perfect_and_hopeless_trees() -> None:
    table = torch.block_diag(*[torch.full((2, 1), 10)] * 3)  # three classes, two leaves each
    assert dendrogram_purity(Tree([[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]), table) == 1
    assert dendrogram_purity(Tree([[0, 2], [1, 3], [6, 4], [7, 5], [8, 9]]), table) < 0.8
    assert math.isnan(dendrogram_purity(Tree([[0, 1]]), torch.tensor([[1, 0], [0, 1]])))
    counts = torch.full((2, 2), 3_000_000_000)
    assert dendrogram_purity(Tree([[0, 1]]), counts) == pytest.approx(0.5)
    with pytest.raises(ValueError, match=r"shape \(3, 2\), expected \(2, classes\)"):
        dendrogram_purity(Tree([[0, 1]]), torch.ones(3, 2))


def test_merged_rows() -> None:
    table = torch.tensor([[1, 2], [3, 4], [0, 0], [5, 6]])
    assert merged_rows(table, torch.tensor([1, 0, -1, 1])).tolist() == [[3, 4], [6, 8]]
    assert merged_rows(table.T, torch.tensor([0, 0])).T.tolist() == [[3], [7], [0], [11]]
    with pytest.raises(ValueError, match="10 samples are in rows of no group"):
        merged_rows(table, torch.tensor([-1, -1, 0, 0]))
    with pytest.raises(ValueError, match="for 4 rows"):
        merged_rows(table, torch.tensor([0, 1]))


def test_level_scores_of_the_worked_example() -> None:
    target, predicted = (
        torch.tensor([int(digit) for digit in digits]) for digits in ("0001112222", "0011112203")
    )  # docs/methods/shhc.md#worked-examples
    assert level_scores(contingency(predicted, target, 4, 3)) == pytest.approx(
        {"nmi": 0.568241032923, "ari": 0.28, "purity": 0.854166666667, "weighted_purity": 0.8}, abs=1e-12
    )


# ---- hierarchies of clusters ----


def cluster_tree(seed: int = 0) -> ClusterTree:
    """Return a tree over clusters 0, 1, 3, 4, 5 of 6."""
    rng = np.random.default_rng(seed)
    leaves = Leaves.from_features(rng.normal(size=(5, 4)), "half_cosine", rng.integers(1, 9, 5))
    fit = Linkage("complete").fit(leaves)
    assert leaves.features is not None
    return ClusterTree(
        fit.tree,
        torch.tensor([0, 1, 3, 4, 5]),
        torch.from_numpy(leaves.counts),
        torch.from_numpy(leaves.features),
        None,
        6,
        "half_cosine",
    )


def held_out(seed: int = 0) -> Tensor:
    table = random_table(6, 4, seed)
    table[2] = 0
    return table


GROUPS = ["b", "a", "b", "a"]


def test_every_level_is_scored() -> None:
    hierarchy, table = cluster_tree(), held_out()
    scores = HierarchyScoring.of_names([3, 6], GROUPS).scores(hierarchy, table)
    grouped = torch.stack([table[:, [0, 2]].sum(1), table[:, [1, 3]].sum(1)], 1)
    for prefix, counts, cut, used in (("", table, 3, 3), ("", table, 6, 5), ("groups_", grouped, 2, 2)):
        labels = hierarchy.tree.cut(used)
        merged = [counts[hierarchy.clusters[labels == label]].sum(0) for label in range(used)]
        for name, value in level_scores(torch.stack(merged)).items():
            assert scores.pop(f"{prefix}{name}_cut{cut}") == pytest.approx(value)
    of_leaves = hierarchy.clusters
    assert scores.pop("dendrogram_purity") == pytest.approx(
        brute_force_purity(hierarchy.tree, table[of_leaves])
    )
    assert scores.pop("groups_dendrogram_purity") == pytest.approx(
        brute_force_purity(hierarchy.tree, grouped[of_leaves])
    )
    leaves = hierarchy.leaves()
    assert scores.pop("dasgupta_1x") == pytest.approx(
        brute_force_cost(hierarchy.tree, leaves.weights, leaves.counts)
    )
    assert scores.pop("leaves") == 5
    assert not scores
    assert not any("groups" in name for name in HierarchyScoring([3]).scores(hierarchy, table))


def test_other_trees_are_made_of_the_same_centroids() -> None:
    hierarchy = cluster_tree()
    others = rebuilt_trees(hierarchy)
    assert set(others) == {"single", "complete", "average", "ward", "lowest_cost", "neighbours"}
    costs = {name: tree.report["dasgupta_1x"] for name, tree in others.items()}
    assert costs["lowest_cost"] == min(costs.values())
    assert others["complete"].tree.merges.tolist() == hierarchy.tree.merges.tolist()
    for other in others.values():
        assert other.clusters is hierarchy.clusters
        scores = HierarchyScoring([2]).scores(other, held_out())
        assert scores["dasgupta_1x"] == pytest.approx(other.report["dasgupta_1x"])


def test_samples_in_clusters_that_are_no_leaf_are_refused() -> None:
    table = held_out()
    table[2, 1] = 3
    with pytest.raises(ValueError, match="3 samples are in rows of no group"):
        HierarchyScoring([2]).scores(cluster_tree(), table)
