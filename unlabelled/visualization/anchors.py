"""Figures of anchors: the anchors of samples, and the categories of the samples of anchors.

Source: SSPC supplement section 4, Figures 1 to 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from unlabelled.visualization.anchor_codes import Codes, Shares
from unlabelled.visualization.items import Axis, Item, cut, show_thumbnail, wrapped, write

_ASSIGNED, _FREE, _DIFFERENT = "#2e8b47", "#fff0a5", "#d7191c"
_COLUMNS = 16  # cells beside each other
_CELL = 0.27  # inches
_HEAD = 2.1  # inches for thumbnail and caption
_GAP = 0.32  # inches for a grid's title


def assignment_figure(items: Sequence[Item], codes: Mapping[str, Codes], title: str) -> Figure:
    """Draw samples beside each other, and below each its anchors as numbered cells for each modality.

    Assigned anchors are green, others yellow. Anchors in which a sample differs from the first one have a red
    frame; of two samples, both have frames.

    Args:
        items: The s samples; without any the figure is a note.
        codes: ``{modality: (s, K)}``; a row without an anchor belongs to a sample without this modality.
        title: Title of the figure.

    Source: SSPC supplement Figures 1 to 3.
    """
    if not items:
        return _empty_figure(title)
    heights = {name: max(1, -(-code.shape[1] // _COLUMNS)) * _CELL + _GAP for name, code in codes.items()}
    width = _COLUMNS * _CELL + 0.3
    height = 0.75 + _HEAD + sum(heights.values())
    figure = Figure(figsize=(max(len(items), 2) * width, height))
    grid = figure.add_gridspec(
        1 + len(codes), len(items), height_ratios=[_HEAD, *heights.values()],
        left=0.02, right=0.98, top=1 - 0.4 / height, bottom=0.4 / height, wspace=0.06, hspace=0,
    )  # fmt: skip
    figure.suptitle(title, y=1 - 0.08 / height, va="top", fontsize=11, parse_math=False)
    for column, item in enumerate(items):
        _head(figure, grid[0, column], item)
    for row, (name, code) in enumerate(codes.items(), start=1):
        for column in range(len(items)):
            _cells(_grid_axis(figure, grid[row, column], heights[name]), name, code, column)
    _legend(figure, height)
    return figure


def _empty_figure(title: str) -> Figure:
    figure = Figure(figsize=(6, 1.2))
    figure.text(0.5, 0.5, f"{title}: there are no such samples", ha="center", va="center", parse_math=False)
    return figure


def _head(figure: Figure, cell: object, item: Item) -> None:
    parts = cell.subgridspec(2, 1, height_ratios=[1.3, 0.8], hspace=0.02)  # type: ignore[attr-defined]
    show_thumbnail(figure.add_subplot(parts[0]), item, 34)
    axis = figure.add_subplot(parts[1])
    axis.set_axis_off()
    # without a thumbnail the title is drawn in its place
    title = item.title if item.thumbnail is not None else ""
    heading = " - ".join(part for part in (title, item.category) if part)
    write(axis, 0.5, 0.94, cut(heading, 58), ha="center", va="top", fontsize=8, weight="bold")
    write(axis, 0.5, 0.72, wrapped(item.text, 60, 3), ha="center", va="top", fontsize=8)


def _grid_axis(figure: Figure, cell: object, height: float) -> Axis:
    ratios = [_GAP, height - _GAP]
    parts = cell.subgridspec(2, 1, height_ratios=ratios, hspace=0)  # type: ignore[attr-defined]
    return figure.add_subplot(parts[1])


def _cells(axis: Axis, name: str, codes: Codes, row: int) -> None:
    """Draw the anchors of one sample for one modality."""
    axis.set_axis_off()
    code, num_anchors = codes[row], codes.shape[1]
    axis.set(xlim=(-0.05, _COLUMNS + 0.05), ylim=(-(-num_anchors // _COLUMNS) + 0.05, -0.05))
    axis.set_title(_heading(name, codes, row), fontsize=8, loc="left", pad=3, parse_math=False)
    if not code.any():
        return
    framed = _framed(codes, row)
    for anchor in range(num_anchors):
        y, x = divmod(anchor, _COLUMNS)
        colour = _ASSIGNED if code[anchor] else _FREE
        axis.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, edgecolor="white", linewidth=0.8))
        ink, weight = ("white", "bold") if code[anchor] else ("#555555", "normal")
        axis.text(
            x + 0.5, y + 0.52, str(anchor), ha="center", va="center", fontsize=7, color=ink, weight=weight
        )
        if framed[anchor]:
            inset = Rectangle((x + 0.07, y + 0.07), 0.86, 0.86, fill=False, edgecolor=_DIFFERENT, linewidth=2)
            axis.add_patch(inset)


def _framed(codes: Codes, row: int) -> Codes:
    """Return a mask ``(K,)`` of the anchors in which a sample differs from the first, or the first of two."""
    other = codes[0] if row else codes[1] if len(codes) == 2 else codes[row]
    differs: Codes = codes[row] != other
    return differs & bool(other.any())


def _heading(name: str, codes: Codes, row: int) -> str:
    if not codes[row].any():
        return f"no {name}"
    if row == 0 or not codes[0].any():
        return f"{name} anchors"
    return f"{name} anchors: {(codes[0] & codes[row]).sum()} of {codes[row].sum()} shared with the first"


def _legend(figure: Figure, height: float) -> None:
    handles = [
        Patch(facecolor=_ASSIGNED, label="assigned"),
        Patch(facecolor=_FREE, edgecolor="#cccccc", label="not assigned"),
        Patch(facecolor="none", edgecolor=_DIFFERENT, linewidth=2, label="different"),
    ]
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=3,
        fontsize=8,
        frameon=False,
        bbox_to_anchor=(0.5, 0.02 / height),
    )


class CategoryPanel(NamedTuple):
    """Categories of the samples of one or several anchors.

    Attributes:
        anchors: The anchors.
        shares: ``(C,)``, shares of the categories.
        num_samples: Number of the samples.
    """

    anchors: Sequence[int]
    shares: Shares
    num_samples: int


def category_figure(
    rows: Sequence[Sequence[CategoryPanel]], overall: Shares, names: Sequence[str], title: str, most: int = 20
) -> Figure:
    """Draw the shares of categories among the samples of one or several anchors, in percent.

    Args:
        rows: Rows of panels, such as single anchors above pairs.
        overall: ``(C,)``, shares of the categories among all samples, drawn as a mark on each bar.
        names: Names of the categories, by label.
        title: Title of the figure.
        most: Largest number of categories in a panel, the most frequent ones.

    Source: SSPC supplement Figure 4.
    """
    rows = [row for row in rows if row]
    if not rows:
        return _empty_figure(title)
    shown = min(most, len(names))
    columns = max(len(row) for row in rows)
    figure = Figure(figsize=(4.2 * columns, (0.21 * shown + 0.85) * len(rows) + 0.7), layout="constrained")
    figure.suptitle(title, fontsize=11, parse_math=False)
    for line, row in zip(figure.subplots(len(rows), columns, squeeze=False), rows, strict=True):
        for axis in line[len(row) :]:
            axis.set_axis_off()
        for axis, panel in zip(line, row, strict=False):
            _bars(axis, panel, overall, names, shown)
    handles, _ = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure


def _bars(axis: Axis, panel: CategoryPanel, overall: Shares, names: Sequence[str], shown: int) -> None:
    order = np.argsort(-panel.shares, kind="stable")[:shown]
    positions = np.arange(len(order))
    axis.barh(positions, 100 * panel.shares[order], color="#4c78a8", label="samples with the anchors")
    axis.scatter(
        100 * overall[order], positions, marker="|", s=90, color="#e45756", label="all samples", zorder=3
    )
    axis.set_yticks(positions, [cut(names[c], 26) for c in order], fontsize=8, parse_math=False)
    axis.invert_yaxis()
    joined = " and ".join(str(anchor) for anchor in panel.anchors)
    axis.set_title(
        f"anchor{'s' * (len(panel.anchors) > 1)} {joined}, {panel.num_samples} samples", fontsize=9
    )
    count = f" ({shown} of {len(names)} categories)" if shown < len(names) else ""
    axis.set_xlabel(f"% of samples{count}", fontsize=8)
    axis.set_xlim(0, 105 * max(float(panel.shares.max()), float(overall[order].max()), 0.01))
    axis.tick_params(axis="x", labelsize=8)
