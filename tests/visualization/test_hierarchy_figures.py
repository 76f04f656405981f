"""Figures of trees: positions of their parts, and degenerate trees."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tests._helpers.hierarchy_oracles import random_leaves, some_tree
from unlabelled.hierarchy import Linkage, Tree, distance, lca_point
from unlabelled.visualization.dendrogram import TopOfTree, branches, dendrogram
from unlabelled.visualization.groups import Groups, palette, short_number
from unlabelled.visualization.hierarchy_disk import branch_groups, hierarchy_disk
from unlabelled.visualization.reordered_similarity import block_borders, reordered_similarity
from unlabelled.visualization.tree_layout import geodesics, leaf_angles, leaf_radius, node_points

CHAIN = Tree([[0, 1], [5, 2], [6, 3], [7, 4]])


def texts(figure: Figure) -> list[str]:
    """Draw the figure, without a warning, and return all that is written in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(BytesIO(), dpi=20)
    found: list[Any] = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return [text.get_text() for text in found]


@pytest.mark.parametrize("tree", [CHAIN, some_tree(2, 0), some_tree(30, 1), some_tree(300, 2)])
def test_the_layout_is_a_tree_in_the_disk(tree: Tree) -> None:
    points = node_points(tree)
    norms = np.linalg.norm(points, axis=1)
    np.testing.assert_allclose(points[tree.root], 0, atol=1e-12)
    np.testing.assert_allclose(norms[: tree.num_leaves], leaf_radius(tree.num_leaves))
    children = np.arange(tree.root)
    assert (norms[tree.parents[children]] < norms[children]).all()
    angles = leaf_angles(tree)[tree.leaf_order]
    gaps = np.append(np.diff(angles), angles[0] + 2 * np.pi - angles[-1])
    assert (gaps > 0).all()
    assert gaps[-1] == pytest.approx(gaps.max())  # the root's
    for node, pair in enumerate(tree.merges.tolist(), start=tree.num_leaves):
        if max(pair) < tree.num_leaves and tree.num_leaves > 2:  # of two leaves it is their LCA itself
            ends = torch.from_numpy(points[pair])
            np.testing.assert_allclose(points[node], lca_point(ends[0], ends[1]).numpy(), atol=1e-9)


def test_edges_are_geodesics() -> None:
    points = torch.from_numpy(node_points(some_tree(20, 3)))
    begins, ends = points[[38, 30, 4]], points[[2, 17, 9]]
    lines = torch.from_numpy(geodesics(begins.numpy(), ends.numpy(), 9))
    torch.testing.assert_close(lines[:, [0, -1]], torch.stack([begins, ends], 1))
    steps = distance(lines[:, :-1], lines[:, 1:])
    torch.testing.assert_close(steps, (distance(begins, ends) / 8)[:, None].expand(3, 8))


@pytest.mark.parametrize("num_leaves", [1, 2, 170])
def test_all_figures_of_small_and_large_trees(num_leaves: int) -> None:
    leaves = random_leaves(num_leaves, 0, counts=True)
    tree = Linkage("average").fit(leaves).tree
    names = [f"$x_{leaf} & {'long ' * 9}" for leaf in range(num_leaves)]
    groups = Groups.from_labels(np.arange(num_leaves) % 4 - 1, ["Käse", "$b", "c"], "kind", leaves.counts)
    thumbnails = np.zeros((num_leaves, 6, 8, 3), dtype=np.uint8)
    disk = texts(hierarchy_disk(tree, groups, leaves.counts, names, "the $title"))
    assert {"the $title", "kind", "none"} <= set(disk)
    assert any("not a projection" in text for text in disk)
    assert (any(text.startswith("$x_0") for text in disk)) == (num_leaves < 170)
    figure = dendrogram(tree, groups, leaves.counts, names, thumbnails)
    texts(figure)
    assert len(figure.axes[2].get_xticklabels()) == min(num_leaves, 40)
    assert all(label.get_text().startswith("$x_") for label in figure.axes[2].get_xticklabels())
    assert len(figure.axes[2].images) == min(num_leaves, 40)
    assert {"plain order", "order of the hierarchy"} <= set(
        texts(reordered_similarity(leaves.similarity, tree, 3, groups, names))
    )


def test_the_top_of_a_large_tree() -> None:
    tree = some_tree(200, 4)
    top = TopOfTree.of(tree, 12)
    lines, nodes = branches(tree, top)
    assert len(nodes) == 22
    assert np.array_equal(np.sort(nodes[nodes < nodes.max() - 9]), np.sort(top.ends)) or len(top.ends) == 12
    at_ends = {int(node): line[1:, 0].tolist() for node, line in zip(nodes, lines, strict=True)}
    assert [at_ends[end] for end in top.ends.tolist()] == [[place, place] for place in range(12)]
    heights = {node: line[0, 1] for node, line in zip(nodes.tolist(), lines, strict=True)}
    assert all(heights[n] == tree.heights[tree.parents[n] - 200] for n in nodes.tolist())
    figure = dendrogram(tree, Groups.from_cut(tree, 3), np.full(200, 10.0), most=12)
    labels = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    sizes = tree.sizes[top.ends]
    several = [f"{size} leaves ({short_number(10 * size)})" for size in sizes if size > 1]
    assert [label for label in labels if "leaves" in label] == several


def test_bars_show_the_shares_of_the_groups() -> None:
    groups = Groups(np.array([[4.0, 1], [0, 0], [0, 2], [5, 5], [1, 0]]), ["a", "b"], "kind")
    figure = dendrogram(CHAIN, groups, most=2)
    bars: list[Any] = list(figure.axes[1].patches)
    heights = [round(bar.get_height(), 6) for bar in bars if bar.get_height() > 0]
    assert heights == [round(9 / 17, 6), 1.0, round(8 / 17, 6)]  # of leaves 0 to 3, of leaf 4, the rest


def test_branches_of_one_group_have_its_colour() -> None:
    groups = Groups.from_labels([1, 1, 1, 0, -1], ["a", "b"], "kind")
    assert branch_groups(CHAIN, groups).tolist() == [1, 1, 1, 0, -1, 1, 1, -1, -1]
    gaps = Groups.from_labels([-1, -1, 1, 1, 0], ["a", "b"], "kind")  # leaves of no group mix nothing
    assert branch_groups(CHAIN, gaps).tolist() == [-1, -1, 1, 1, 0, -1, 1, 1, -1]
    late = Groups.from_labels([1, 0, -1, 0, 0], ["a", "b"], "kind")  # nor do they make one of mixed branches
    assert branch_groups(CHAIN, late).tolist() == [1, 0, -1, 0, 0, -1, -1, -1, -1]
    np.testing.assert_array_equal(groups.of_nodes(CHAIN)[-1], [1, 3])
    assert Groups.from_cut(CHAIN, 99).names == list("01234")


def test_matrices_are_in_both_orders_with_the_borders_of_the_cut() -> None:
    leaves = random_leaves(9, 5)
    tree = Linkage("ward").fit(leaves).tree
    figure = reordered_similarity(leaves.similarity, tree, 3)
    plain, ordered = (np.array(axis.images[0].get_array()) for axis in figure.axes[:2])
    off = ~np.eye(9, dtype=bool)
    np.testing.assert_array_equal(plain[off], leaves.similarity[off])
    order = tree.leaf_order
    np.testing.assert_array_equal(ordered[off], leaves.similarity[np.ix_(order, order)][off])
    cut = tree.cut(3)[order]
    borders = block_borders(tree, 3)
    assert borders.tolist() == [0, *(np.flatnonzero(np.diff(cut)) + 1).tolist(), 9]
    assert len(figure.axes[1].lines) == 3


@pytest.mark.parametrize("similarity", [1.0, 1 - 1e-16 * np.arange(25).reshape(5, 5), 0.0])
def test_the_colour_bar_stays_in_the_range_of_similarities(similarity: ArrayLike) -> None:
    figure = reordered_similarity(np.broadcast_to(similarity, (5, 5)), CHAIN, 2)
    assert figure.axes[2].get_ylim() == (0, 1)


def test_colours_differ() -> None:
    for count in (0, 1, 10, 11, 20, 21, 30, 55, 100):
        colours = palette(count)
        assert colours.shape == (count, 3)
        assert len(np.unique(colours, axis=0)) == count


def test_numbers_are_short() -> None:
    numbers = (7, 999, 1000, 1540, 7000, 12_300, 999_600, 2_500_000)
    assert [short_number(number) for number in numbers] == [
        "7", "999", "1k", "1.5k", "7k", "12k", "1M", "2.5M"
    ]  # fmt: skip


def test_complaints() -> None:
    groups = Groups.from_labels([0, 0, 0], ["a"], "kind")
    with pytest.raises(ValueError, match="groups for 3 leaves, but the tree has 5"):
        hierarchy_disk(CHAIN, groups)
    with pytest.raises(ValueError, match="names for 1 leaves"):
        reordered_similarity(np.eye(5), CHAIN, 2, names=["a"])
    with pytest.raises(ValueError, match="one name per group"):
        Groups(np.ones((3, 2)), ["a"], "kind")
