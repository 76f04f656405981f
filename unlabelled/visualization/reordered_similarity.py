"""The similarities of the leaves of a tree, in their given order and in the order of the tree.

Source: sHHC paper (ICCV 2023) Figure 3.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from unlabelled.hierarchy.tree import Floats, Indices, Tree
from unlabelled.visualization.groups import Groups, add_legend
from unlabelled.visualization.hierarchy_disk import check_leaves
from unlabelled.visualization.items import Axis, cut

MOST_NAMES = 64
"""Largest number of leaves whose names fit beside a matrix."""
_SIDE = 5.6  # of a matrix, in inches
_STRIP = 0.025  # height of the strip of groups, relative to a matrix
_WHOLE = (0.0, 1.0)  # the range of both similarities


def reordered_similarity(
    similarity: Floats,
    tree: Tree,
    num_blocks: int,
    groups: Groups | None = None,
    names: Sequence[str] | None = None,
    title: str = "",
) -> Figure:
    """Draw the matrix in both orders with the same colours; lines enclose the clusters of a cut.

    Args:
        similarity: ``(L, L)`` symmetric; the diagonal is left out.
        tree: Tree over the L leaves.
        num_blocks: Number of clusters of the cut, at most one per leaf.
        groups: Groups of the leaves, drawn as a strip above each matrix; None: no strip.
        names: Names of the leaves, written for at most 64 leaves.
        title: Title of the figure.

    Raises:
        ValueError: Similarities, groups or names are not one per leaf.
    """
    table = None if groups is None else groups.table
    check_leaves(tree, similarity=similarity, groups=table, names=names)
    shown = names if names is not None and tree.num_leaves <= MOST_NAMES else None
    text_size = 0.0 if shown is None else 0.065 * max(len(cut(name, 24)) for name in shown)
    figure = Figure(figsize=(2 * (_SIDE + text_size) + 3.0, _SIDE + text_size + 1.1), layout="constrained")
    left, right = figure.subplots(1, 2)
    figure.suptitle(title, fontsize=12, parse_math=False)
    orders = {"plain order": np.arange(tree.num_leaves), "order of the hierarchy": tree.leaf_order}
    limits = _limits(similarity)
    for axis, (name, order) in zip((left, right), orders.items(), strict=True):
        image = _draw_matrix(axis, similarity, order, limits)
        axis.set_title(name, fontsize=10)
        _draw_names(axis, order, shown)
        if groups is not None:
            _draw_strip(axis, order, groups)
    _draw_blocks(right, tree, num_blocks)
    beyond = "neither" if limits == _WHOLE else "both"
    figure.colorbar(image, ax=[left, right], shrink=0.8, pad=0.03, label="similarity w", extend=beyond)
    if groups is not None:
        add_legend(figure, groups)
    return figure


def block_borders(tree: Tree, num_blocks: int) -> Indices:
    """Return the borders of the clusters of a cut in the order of the tree, ``(num_blocks + 1,)``."""
    roots = tree.roots(min(num_blocks, tree.num_leaves))
    return np.append(tree.spans[roots, 0], tree.num_leaves)


def _limits(similarity: Floats) -> tuple[float, float]:
    """Return the range of the colours: that of all pairs but half a per cent at each end.

    If these pairs are all equal, it is the range of similarities.
    """
    pairs = similarity[np.triu_indices(len(similarity), 1)]
    if not len(pairs):
        return _WHOLE
    low, high = np.quantile(pairs, [0.005, 0.995]).tolist()
    return (low, high) if high > low + 1e-9 else _WHOLE  # matplotlib would widen a smaller range


def _draw_matrix(axis: Axis, similarity: Floats, order: Indices, limits: tuple[float, float]) -> Axis:
    matrix = similarity[np.ix_(order, order)]
    np.fill_diagonal(matrix, np.nan)
    axis.set_facecolor("#dddddd")
    axis.spines[:].set_visible(False)
    return axis.imshow(matrix, cmap="magma", vmin=limits[0], vmax=limits[1], interpolation="nearest")


def _draw_names(axis: Axis, order: Indices, names: Sequence[str] | None) -> None:
    if names is None:
        axis.set(xticks=[], yticks=[])
        return
    texts = [cut(names[leaf], 24) for leaf in order.tolist()]
    size = float(np.clip(_SIDE * 72 / len(texts) * 0.8, 5, 9))
    axis.set_xticks(range(len(texts)), texts, rotation=90, fontsize=size, parse_math=False)
    axis.set_yticks(range(len(texts)), texts, fontsize=size, parse_math=False)
    axis.tick_params(length=0)


def _draw_strip(axis: Axis, order: Indices, groups: Groups) -> None:
    colours = groups.coloured(groups.main()[order])
    strip = axis.inset_axes((0, 1.005, 1, _STRIP))
    strip.imshow(colours[None], aspect="auto", interpolation="nearest")
    strip.set_axis_off()
    axis.title.set_y(1.005 + _STRIP)


def _draw_blocks(axis: Axis, tree: Tree, num_blocks: int) -> None:
    """Draw the borders of the clusters as squares along the diagonal, with numbers for the larger ones."""
    borders = (block_borders(tree, num_blocks) - 0.5).tolist()
    for number, (begin, end) in enumerate(itertools.pairwise(borders)):
        sides = [begin, end, end, begin, begin], [begin, begin, end, end, begin]
        axis.plot(*sides, color="#36e0c2", linewidth=1.3, scalex=False, scaley=False, clip_on=False)
        if end - begin >= 0.03 * tree.num_leaves:
            axis.text(
                1.01,
                (begin + end) / 2,
                str(number),
                fontsize=8,
                va="center",
                transform=axis.get_yaxis_transform(),
            )
