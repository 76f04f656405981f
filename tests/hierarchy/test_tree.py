"""Trees: their numbering, cuts, heights and formats, beside scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage, to_tree

from tests._helpers.hierarchy_oracles import clusters, members, some_tree
from unlabelled.hierarchy import Tree

BALANCED = Tree([[0, 1], [2, 3], [4, 5]], [1.0, 2.0, 5.0])


def test_a_small_tree() -> None:
    assert (BALANCED.num_leaves, BALANCED.num_nodes, BALANCED.root) == (4, 7, 6)
    assert BALANCED.parents.tolist() == [4, 4, 5, 5, 6, 6, -1]
    assert BALANCED.sizes.tolist() == [1, 1, 1, 1, 2, 2, 4]
    assert BALANCED.leaf_order.tolist() == [0, 1, 2, 3]
    assert BALANCED.spans.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4], [0, 2], [2, 4], [0, 4]]
    assert BALANCED.newick() == "((0:1,1:1):4,(2:2,3:2):3);"
    assert BALANCED.newick(["a", "b's", "c d", "e"]) == "(('a':1,'b''s':1):4,('c d':2,'e':2):3);"
    assert [BALANCED.cut(k).tolist() for k in (1, 2, 3, 4)] == [
        [0, 0, 0, 0],
        [0, 0, 1, 1],
        [0, 0, 1, 2],
        [0, 1, 2, 3],
    ]
    assert BALANCED.roots(3).tolist() == [4, 2, 3]


def test_one_leaf_and_two() -> None:
    one = Tree([])
    assert (one.num_leaves, one.root, one.newick(), one.cut(1).tolist()) == (1, 0, "0;", [0])
    assert one.to_linkage().shape == (0, 4)
    assert Tree.from_parents([-1]).num_leaves == 1
    two = Tree.from_parents([2, 2, -1])
    assert two.merges.tolist() == [[0, 1]]
    assert two.cut(2).tolist() == [0, 1]


@settings(max_examples=12, deadline=None)
@given(st.integers(2, 25), st.integers(0, 10**6))
def test_against_scipy(num_leaves: int, seed: int) -> None:
    features = np.random.default_rng(seed).normal(size=(num_leaves, 3))
    rows = linkage(features, "average")
    tree = Tree.from_linkage(rows)
    np.testing.assert_array_equal(tree.to_linkage(), rows)
    assert tree.leaf_order.tolist() == leaves_list(rows).tolist()
    for node in to_tree(rows, rd=True)[1]:
        assert sorted(tree.leaves(node.id).tolist()) == sorted(node.pre_order())
    for k in range(1, num_leaves + 1):
        expected = fcluster(rows, k, "maxclust")
        labels = tree.cut(k)
        assert sorted(set(labels.tolist())) == list(range(k))
        assert len(set(zip(labels.tolist(), expected.tolist(), strict=True))) == k
        assert (np.diff(labels[tree.leaf_order]) >= 0).all()
        for label, root in enumerate(tree.roots(k).tolist()):
            assert set(np.flatnonzero(labels == label).tolist()) == members(tree, root)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.integers(0, 10**6))
def test_numbering_and_heights_leave_the_tree_the_same(num_leaves: int, seed: int) -> None:
    tree = some_tree(num_leaves, seed)
    rng = np.random.default_rng(seed)
    names = np.append(rng.permutation(num_leaves - 1) + num_leaves, -1)  # inner nodes in any order
    inner = dict(zip(range(num_leaves, tree.num_nodes), names.tolist(), strict=False))
    parents = np.empty(tree.num_nodes, dtype=int)
    for node, parent in enumerate(tree.parents.tolist()):
        parents[inner.get(node, node)] = inner.get(parent, -1) if parent >= 0 else -1
    assert clusters(Tree.from_parents(parents.tolist())) == clusters(tree)
    heights = rng.normal(size=num_leaves - 1)
    raised = tree.with_heights(heights)
    assert clusters(raised) == clusters(tree)
    assert (np.diff(raised.heights) >= 0).all()
    assert set(raised.heights.tolist()) <= set(heights.tolist())
    again = raised.with_heights(raised.heights)
    np.testing.assert_array_equal(again.merges, raised.merges)


def test_a_merge_is_raised_to_its_highest_child() -> None:
    tree = Tree([[0, 1], [2, 3], [4, 5]]).with_heights([3.0, 1.0, 2.0])
    assert tree.merges.tolist() == [[2, 3], [0, 1], [5, 4]]
    assert tree.heights.tolist() == [1.0, 3.0, 3.0]


def test_a_deep_tree_needs_no_recursion() -> None:
    count = 3000
    chain = Tree([[0, 1], *([node + count, node + 2] for node in range(count - 2))])
    assert chain.newick().count("(") == count - 1
    assert chain.leaf_order.tolist() == list(range(count))
    assert chain.cut(3)[-2:].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("merges", "heights", "message"),
    [
        ([[0, 3], [1, 2]], None, r"merge 0 is \[0, 3\]"),
        ([[0, 1], [1, 2]], None, "used twice or never"),
        ([[0, -1], [3, 2]], None, "used twice or never"),
        ([[0, 1], [2, 3]], [2.0, 1.0], "none below the one before"),
        ([[0, 1], [2, 3]], [1.0], r"heights of shape \(1,\)"),
        ([[0, 1]], [np.nan], "finite"),
    ],
)
def test_no_tree(merges: list[list[int]], heights: list[float] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tree(merges, heights)


def test_complaints() -> None:
    with pytest.raises(ValueError, match="cut into 5 clusters, expected 1 to 4"):
        BALANCED.cut(5)
    with pytest.raises(ValueError, match="2 names for 4 leaves"):
        BALANCED.newick(["a", "b"])
    with pytest.raises(ValueError, match=r"shape \(3, 2\), expected \(K - 1, 4\)"):
        Tree.from_linkage(BALANCED.merges)
    with pytest.raises(ValueError, match=r"\(2,\) heights for 3 merges"):
        BALANCED.with_heights([1, 2])
