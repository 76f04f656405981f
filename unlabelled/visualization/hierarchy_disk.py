"""A tree drawn in the Poincaré disk.

The figure is a layout of the tree, with the leaves on one circle in the order of the tree. Points of a
hierarchy in more than two dimensions are not projected, since the branches would cross.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import ArrayLike

from unlabelled.hierarchy.tree import Floats, Indices, Tree
from unlabelled.visualization.groups import Groups, add_legend
from unlabelled.visualization.items import Axis, cut
from unlabelled.visualization.tree_layout import geodesics, node_points

MOST_NAMES = 160
"""Largest number of leaves whose names fit around the disk."""
_SIDE = 7.6  # of the disk, in inches
_RIM = np.pi * _SIDE * 72  # its circumference, in points
_CAPTION = (
    "Layout of the tree in the Poincaré disk (not a projection of points from more dimensions): leaves in "
    "the tree's order,\ngaps wider where later merges part them, inner nodes as deep as the LCA of their two "
    "branches, edges along geodesics."
)


def hierarchy_disk(
    tree: Tree,
    groups: Groups,
    counts: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    title: str = "",
) -> Figure:
    """Draw the tree; leaves and branches of a single group have its colour, mixed branches are grey.

    Args:
        tree: Tree over L leaves.
        groups: Groups of the leaves.
        counts: ``(L,)`` samples per leaf, shown as areas; None: 1.
        names: Names of the leaves, written around the disk for at most 160 leaves; otherwise names of groups
            are.
        title: Title of the figure.

    Raises:
        ValueError: Groups, counts or names are not one per leaf.
    """
    sizes = np.ones(tree.num_leaves) if counts is None else np.asarray(counts, dtype=np.float64)
    check_leaves(tree, groups=groups.table, counts=sizes, names=names)
    points, branches = node_points(tree), branch_groups(tree, groups)
    texts = _names(tree, names, branches, groups)
    (left, bottom), (right, top) = texts.extent(points)
    figsize = _SIDE / 2 * (right - left) + 1.8, _SIDE / 2 * (top - bottom) + 0.8
    figure = Figure(figsize=figsize, layout="constrained")
    axis = figure.subplots()
    axis.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    axis.set_axis_off()
    axis.set_title(title, fontsize=12, parse_math=False)
    _draw_edges(axis, tree, points, branches, groups)
    _draw_leaves(axis, tree, points, groups, sizes)
    _write_names(axis, points, texts)
    add_legend(figure, groups)
    figure.supxlabel(_CAPTION, fontsize=8, color="#555555")
    return figure


def check_leaves(tree: Tree, **per_leaf: Any) -> None:
    """Raise ValueError unless all arguments but None have one entry per leaf."""
    for name, values in per_leaf.items():
        if values is not None and len(values) != tree.num_leaves:
            raise ValueError(
                f"figure of a tree: {name} for {len(values)} leaves, but the tree has {tree.num_leaves}"
            )


def branch_groups(tree: Tree, groups: Groups) -> Indices:
    """Return the group of each node ``(2L-1,)`` whose leaves have one main group; -1 for other nodes.

    Leaves without a group are ignored.
    """
    none, mixed = -1, -2
    labels = groups.main().tolist()
    for left, right in tree.merges.tolist():
        found = {labels[left], labels[right]} - {none}
        labels.append(mixed if len(found) > 1 else max(found, default=none))
    return np.maximum(np.array(labels, dtype=np.int64), none)


def _draw_edges(axis: Axis, tree: Tree, points: Floats, branches: Indices, groups: Groups) -> None:
    axis.add_patch(Circle((0, 0), 1, facecolor="#fbfbfb", edgecolor="#888888", linewidth=1))
    children = np.arange(tree.root)
    lines = geodesics(points[tree.parents[children]], points[children])
    labels = branches[children]
    widths = 0.5 + 1.9 * (np.log1p(tree.sizes[children]) / np.log1p(tree.num_leaves)) ** 2
    if tree.num_leaves <= 60:
        widths += 0.5
    for mixed in (False, True):  # mixed branches on top
        chosen = np.flatnonzero((labels < 0) == mixed)
        colours = [(0.45, 0.45, 0.45)] if mixed else groups.coloured(labels[chosen])
        axis.add_collection(
            LineCollection(list(lines[chosen]), colors=colours, linewidths=widths[chosen], capstyle="round")
        )


def _draw_leaves(axis: Axis, tree: Tree, points: Floats, groups: Groups, sizes: Floats) -> None:
    """Draw circles of areas proportional to the counts; the mean one fills two thirds of a leaf's arc."""
    typical = float(np.clip(0.66 * _RIM / tree.num_leaves, 2.2, 16)) ** 2
    areas = np.clip(typical * sizes / sizes.mean(), 2, 4 * typical)
    leaves = points[: tree.num_leaves]
    colours = groups.coloured(groups.main())
    order = np.argsort(-areas, kind="stable")  # small circles on top
    axis.scatter(
        *leaves[order].T,
        s=areas[order],
        c=colours[order],
        edgecolors="white",
        linewidths=0.5 if tree.num_leaves <= 200 else 0.15,
        zorder=3,
        clip_on=False,
    )


class _Texts(NamedTuple):
    """Texts around the disk, one for each of some nodes."""

    nodes: list[int]
    texts: list[str]
    fontsize: float

    def extent(self, points: Floats) -> Floats:
        """Return the lower left and the upper right corner of the disk with its texts, ``(2, 2)``."""
        corners = [(-1.02, -1.02), (1.02, 1.02)]
        for node, text in zip(self.nodes, self.texts, strict=True):
            length = 0.0075 * self.fontsize * len(text) / (_SIDE / 2)
            corners.append(tuple(points[node] / np.linalg.norm(points[node]) * (1.05 + length)))
        return np.array([np.min(corners, 0), np.max(corners, 0)])


def _names(tree: Tree, names: Sequence[str] | None, branches: Indices, groups: Groups) -> _Texts:
    """Return the names of the leaves if they fit, else those of the larger branches of a single group."""
    if names is not None and tree.num_leaves <= MOST_NAMES:
        size = float(np.clip(_RIM / tree.num_leaves * 0.75, 5, 10))
        return _Texts(list(range(tree.num_leaves)), [cut(name, 24) for name in names], size)
    whole = (branches >= 0) & np.r_[branches[tree.parents[:-1]] < 0, True]
    large = np.flatnonzero(whole & (tree.sizes >= 0.012 * tree.num_leaves)).tolist()
    return _Texts(large, [cut(groups.names[branches[node]], 24) for node in large], 8)


def _write_names(axis: Axis, points: Floats, texts: _Texts) -> None:
    for text, (x, y) in zip(texts.texts, points[texts.nodes].tolist(), strict=True):
        angle = np.arctan2(y, x)
        left = abs(angle) > np.pi / 2
        axis.text(
            1.03 * np.cos(angle),
            1.03 * np.sin(angle),
            text,
            rotation=np.degrees(angle) + 180 * left,
            rotation_mode="anchor",
            ha="right" if left else "left",
            va="center",
            fontsize=texts.fontsize,
            parse_math=False,
        )
