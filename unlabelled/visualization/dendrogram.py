"""A tree as a dendrogram, with a frame, the shares of the groups and a name under each leaf.

Of a large tree only the top is drawn; the end of a branch stands for all leaves under it.

Source: sHHC paper (ICCV 2023) Figure 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import ArrayLike, NDArray

from unlabelled.hierarchy.tree import Floats, Indices, Tree
from unlabelled.visualization.groups import Groups, add_legend, short_number
from unlabelled.visualization.hierarchy_disk import branch_groups, check_leaves
from unlabelled.visualization.items import Axis, cut

Images = NDArray[np.uint8]
_TREE, _SHARES = 3.6, 0.32  # heights in inches


class TopOfTree(NamedTuple):
    """The part of a tree that is drawn.

    Attributes:
        ends: ``(M,)`` the nodes at the ends of the branches, from left to right.
        undone: ``(M-1,)`` the merges above them, from the lowest to that of the root.
    """

    ends: Indices
    undone: Indices

    @classmethod
    def of(cls, tree: Tree, most: int) -> TopOfTree:
        """Take the last merges of a tree, such that there are at most ``most`` ends."""
        shown = min(most, tree.num_leaves)
        return cls(tree.roots(shown), np.arange(len(tree.merges) - (shown - 1), len(tree.merges)))


def dendrogram(
    tree: Tree,
    groups: Groups,
    counts: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    thumbnails: Images | None = None,
    most: int = 40,
    title: str = "",
    height_name: str = "height of the merge",
) -> Figure:
    """Draw the tree or its top, with the number of samples and the shares of the groups under each end.

    Args:
        tree: Tree over L leaves.
        groups: Groups of the leaves; branches of a single group have its colour.
        counts: ``(L,)`` samples per leaf; None: 1.
        names: Names of the leaves; an end of several leaves has the name of the largest one.
        thumbnails: ``(L, H, W, 3)``, one image per leaf; an end of several leaves has that of the largest
            one.
        most: Largest number of ends.
        title: Title of the figure.
        height_name: Label of the axis of heights.

    Raises:
        ValueError: Groups, counts, names or thumbnails are not one per leaf.
    """
    sizes = np.ones(tree.num_leaves) if counts is None else np.asarray(counts, dtype=np.float64)
    check_leaves(tree, groups=groups.table, counts=sizes, names=names, thumbnails=thumbnails)
    top = TopOfTree.of(tree, most)
    width = max(5.0, len(top.ends) * (0.3 if thumbnails is None else 0.5))
    rows = [_TREE, _SHARES]
    if thumbnails is not None:
        height, thumbnail_width = thumbnails.shape[1:3]
        rows.append(min(width / len(top.ends) * (float(height) / float(thumbnail_width)), 1.6))
    texts = _texts(tree, top, sizes, names)
    text_height = 0.065 * max(map(len, texts))
    layout = ConstrainedLayoutEngine(h_pad=0.04, hspace=0)
    figure = Figure(figsize=(width + 2.6, sum(rows) + text_height + 0.6), layout=layout)
    axes = figure.subplots(len(rows), 1, sharex=True, height_ratios=rows, gridspec_kw={"hspace": 0})
    axes[0].set_title(title, fontsize=12, parse_math=False)
    _draw_tree(axes[0], tree, top, groups, height_name)
    _draw_shares(axes[1], groups.of_nodes(tree)[top.ends], groups)
    if thumbnails is not None:
        _draw_thumbnails(axes[2], thumbnails[_largest(tree, top, sizes)])
    for axis in axes:
        axis.tick_params(axis="x", length=0)
    axes[-1].set_xticks(range(len(top.ends)), texts, rotation=90, fontsize=8, parse_math=False)
    axes[0].set_xlim(-0.6, len(top.ends) - 0.4)
    add_legend(figure, groups)
    return figure


def branches(tree: Tree, top: TopOfTree) -> tuple[Floats, Indices]:
    """Return the corners of the branches, and the nodes at their lower ends.

    Returns:
        Lines ``(2M-2, 3, 2)``, each from the middle of a merge sideways and down to a child, and these
        children ``(2M-2,)``. The ends of the tree are at 0, 1, ...
    """
    positions = dict(zip(top.ends.tolist(), np.arange(len(top.ends), dtype=np.float64).tolist(), strict=True))
    heights = dict.fromkeys(positions, floor(tree, top))
    lines, nodes = [], []
    for merge in top.undone.tolist():
        node, height = tree.num_leaves + merge, float(tree.heights[merge])
        children = tree.merges[merge].tolist()
        positions[node] = sum(positions[child] for child in children) / 2
        heights[node] = height
        for child in children:
            x = positions[child]
            lines.append([(positions[node], height), (x, height), (x, heights[child])])
            nodes.append(child)
    return np.array(lines).reshape(-1, 3, 2), np.array(nodes, dtype=np.int64)


def floor(tree: Tree, top: TopOfTree) -> float:
    """Return the height of the ends, a little below that of the lowest drawn merge."""
    shown = tree.heights[top.undone]
    if not len(shown):
        return 0.0
    return float(shown[0] - max(0.12 * np.ptp(shown), 1e-9 * abs(shown[0]), 1e-12))


def _draw_tree(axis: Axis, tree: Tree, top: TopOfTree, groups: Groups, height_name: str) -> None:
    lines, nodes = branches(tree, top)
    labels = branch_groups(tree, groups)[nodes]
    colours = np.where(labels[:, None] < 0, 0.35, groups.coloured(labels))
    axis.add_collection(LineCollection(list(lines), colors=colours, linewidths=1.4, capstyle="projecting"))
    axis.autoscale_view()
    axis.set_ylim(bottom=floor(tree, top))
    axis.set_ylabel(height_name, fontsize=9)
    axis.tick_params(axis="y", labelsize=8)
    axis.spines[["top", "right", "bottom"]].set_visible(False)


def _draw_shares(axis: Axis, table: Floats, groups: Groups) -> None:
    """Draw a bar per end, divided by the shares of the groups, with the largest share at the bottom."""
    totals = np.maximum(table.sum(1, keepdims=True), 1e-300)
    shares = table / totals
    bottoms = np.zeros(len(table))
    order = np.argsort(-shares, axis=1, kind="stable")
    for column in order.T[: int((shares > 0).sum(1).max(initial=0))]:
        heights = shares[np.arange(len(table)), column]
        colours = groups.coloured(column)
        axis.bar(range(len(table)), heights, 0.8, bottoms, color=colours)
        bottoms += heights
    axis.bar(range(len(table)), 1 - bottoms, 0.8, bottoms, color="#eeeeee")
    axis.set(ylim=(0, 1), yticks=[])
    axis.set_ylabel("shares", fontsize=8, rotation=0, ha="right", va="center")
    axis.spines[:].set_visible(False)


def _draw_thumbnails(axis: Axis, images: Images) -> None:
    for x, image in enumerate(images):
        axis.imshow(image, extent=(x - 0.46, x + 0.46, 0, 1), aspect="auto")
    axis.set(ylim=(0, 1), yticks=[])
    axis.spines[:].set_visible(False)


def _largest(tree: Tree, top: TopOfTree, sizes: Floats) -> Indices:
    """Return the leaf with the most samples under each end ``(M,)``."""
    members = [tree.leaves(end) for end in top.ends.tolist()]
    return np.array([leaves[sizes[leaves].argmax()] for leaves in members], dtype=np.int64)


def _texts(tree: Tree, top: TopOfTree, sizes: Floats, names: Sequence[str] | None) -> list[str]:
    """Return the text under each end: the name of the largest leaf, and the numbers of leaves and samples."""
    texts = []
    for end, largest in zip(top.ends.tolist(), _largest(tree, top, sizes).tolist(), strict=True):
        leaves = tree.leaves(end)
        if names is None:
            name = f"{short_number(len(leaves))} leaves" if len(leaves) > 1 else f"leaf {largest}"
        else:
            others = f" + {short_number(len(leaves) - 1)} more" if len(leaves) > 1 else ""
            name = cut(names[largest], 24) + others
        samples = f" ({short_number(sizes[leaves].sum())})" if sizes.max() > 1 else ""
        texts.append(name + samples)
    return texts
