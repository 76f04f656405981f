"""Newick trees of other programs become binary trees over leaves."""

from __future__ import annotations

import numpy as np
import pytest

from unlabelled.hierarchy import Leaves, Linkage, dasgupta_1x
from unlabelled.hierarchy.newick import binary_tree, leaves_of, parse_newick

RNG = np.random.default_rng(0)
LEAVES = Leaves.from_features(RNG.normal(size=(6, 3)))


def numbers(text: str) -> list[int]:
    return ["abcdef".index(node.name) for node in leaves_of(parse_newick(text))]


def test_what_tree_writes_is_read_again() -> None:
    tree = Linkage().fit(LEAVES).tree
    names = ["a", "it's", "(c)", "d d", "", "f_f"]
    root = parse_newick(tree.newick(names) + "\n")
    found = [node.name for node in leaves_of(root)]
    assert sorted(found) == sorted(names)
    again, resolved = binary_tree(root, [names.index(name) for name in found], LEAVES)
    assert resolved == 0
    np.testing.assert_allclose(again.heights, tree.heights)
    np.testing.assert_array_equal(again.merges, tree.merges)


def test_a_node_with_many_children_is_joined_by_average_linkage() -> None:
    star = "(c,a,f,b,e,d);"
    tree, resolved = binary_tree(parse_newick(star), numbers(star), LEAVES)
    assert resolved == 1
    expected = Linkage("average").fit(LEAVES).report["dasgupta_1x"]
    assert dasgupta_1x(tree, LEAVES.weights) == pytest.approx(expected)
    text = "((b,a,c)inner,((d)),f,e)root;"  # of two levels, with nodes of one child
    tree, resolved = binary_tree(parse_newick(text), numbers(text), LEAVES)
    assert resolved == 2
    inner = {frozenset(tree.leaves(node).tolist()) for node in range(6, tree.num_nodes)}
    assert frozenset({0, 1, 2}) in inner
    assert tree.num_leaves == 6


def test_branch_lengths_order_the_merges() -> None:
    text = "((a:1,b:1):4,((c:3,d:3):0.5,(e:2,f:2):1.5):1.5);"
    tree, _ = binary_tree(parse_newick(text), numbers(text), LEAVES)
    assert tree.heights.tolist() == [1, 2, 3, 3.5, 5]
    assert tree.cut(3).tolist() == [0, 0, 1, 1, 2, 2]
    without, _ = binary_tree(parse_newick(text.replace(":4", "")), numbers(text), LEAVES)
    assert without.heights[-1] != 5


def test_a_deep_tree_needs_no_recursion() -> None:
    depth = 3000
    root = parse_newick("(" * depth + "x0" + "".join(f",x{n})" for n in range(1, depth + 1)) + ";")
    assert [node.name for node in leaves_of(root)] == [f"x{n}" for n in range(depth + 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends early"),
        ("(a,b)", "ends early"),
        ("((a,b);", "ends early"),
        ("a,b);", "found ',' at character 2"),
        ("(a,b));", r"found '\)' at character 6"),
        ("(a b,c);", "found 'b' at character 4; expected one name"),
        ("(a,b)(c,d);", r"found '\(' at character 6; expected a comma"),
        ("(a:x,b:1);", "found 'x' at character 4; expected a branch length"),
        ("(a:-1,b:1);", "found '-1' at character 4"),
        ("(a,b);(c,d);", "after the first ;"),
        ("(a,'b);", r"character 4 \(\"'\"\) is no part"),
    ],
)
def test_text_that_is_no_tree(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_newick(text)
