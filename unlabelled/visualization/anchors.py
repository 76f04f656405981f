"""Anchors: which of them samples are assigned, and which categories their samples have.

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
    """Show samples beside each other, and below each its anchors as numbered cells, modality by modality.

    Assigned anchors are green, others yellow. Framed in red is where a sample differs from the first one; of
    two, both are framed.

    Args:
        items: The samples, s of them; none: the figure says so.
        codes: ``{modality: (s, K)}``; a row without any anchor: the sample has nothing of this modality.
        title: What is to be seen.

    Source: SSPC supplement Figures 1 to 3.
    """
    if not items:
        return _nothing(title)
    tall = {name: max(1, -(-code.shape[1] // _COLUMNS)) * _CELL + _GAP for name, code in codes.items()}
    wide = _COLUMNS * _CELL + 0.3
    height = 0.75 + _HEAD + sum(tall.values())
    figure = Figure(figsize=(max(len(items), 2) * wide, height))
    grid = figure.add_gridspec(
        1 + len(codes), len(items), height_ratios=[_HEAD, *tall.values()],
        left=0.02, right=0.98, top=1 - 0.4 / height, bottom=0.4 / height, wspace=0.06, hspace=0,
    )  # fmt: skip
    figure.suptitle(title, y=1 - 0.08 / height, va="top", fontsize=11, parse_math=False)
    for column, item in enumerate(items):
        _head(figure, grid[0, column], item)
    for row, (name, code) in enumerate(codes.items(), start=1):
        for column in range(len(items)):
            _cells(_grid_axis(figure, grid[row, column], tall[name]), name, code, column)
    _legend(figure, height)
    return figure


def _nothing(title: str) -> Figure:
    figure = Figure(figsize=(6, 1.2))
    figure.text(0.5, 0.5, f"{title}: there are no such samples", ha="center", va="center", parse_math=False)
    return figure


def _head(figure: Figure, place: object, item: Item) -> None:
    parts = place.subgridspec(2, 1, height_ratios=[1.3, 0.8], hspace=0.02)  # type: ignore[attr-defined]
    show_thumbnail(figure.add_subplot(parts[0]), item, 34)
    axis = figure.add_subplot(parts[1])
    axis.set_axis_off()
    known = (item.title if item.thumbnail is not None else "", item.category)  # else the title is above
    named = " - ".join(part for part in known if part)
    write(axis, 0.5, 0.94, cut(named, 58), ha="center", va="top", fontsize=8, weight="bold")
    write(axis, 0.5, 0.72, wrapped(item.text, 60, 3), ha="center", va="top", fontsize=8)


def _grid_axis(figure: Figure, place: object, tall: float) -> Axis:
    parts = place.subgridspec(2, 1, height_ratios=[_GAP, tall - _GAP], hspace=0)  # type: ignore[attr-defined]
    return figure.add_subplot(parts[1])


def _cells(axis: Axis, name: str, codes: Codes, row: int) -> None:
    """Draw one sample's anchors of one modality."""
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
    """Return ``(K,)``: where a sample differs from the first one, or the first of two from the other."""
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
    """The categories of the samples that were assigned some anchors.

    Attributes:
        anchors: Which.
        shares: ``(C,)`` of the categories.
        num_samples: How many there are.
    """

    anchors: Sequence[int]
    shares: Shares
    num_samples: int


def category_figure(
    rows: Sequence[Sequence[CategoryPanel]], overall: Shares, names: Sequence[str], title: str, most: int = 20
) -> Figure:
    """Show in percent which categories the samples of an anchor, or of several, have.

    Args:
        rows: Panels beside each other, row by row; such as single anchors, and below them pairs.
        overall: ``(C,)`` shares of the categories among all samples, drawn as a mark beside each bar.
        names: By label.
        title: What is to be seen.
        most: Categories in a panel, the most frequent ones.

    Source: SSPC supplement Figure 4.
    """
    rows = [row for row in rows if row]
    if not rows:
        return _nothing(title)
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
    places = np.arange(len(order))
    axis.barh(places, 100 * panel.shares[order], color="#4c78a8", label="samples with the anchors")
    axis.scatter(
        100 * overall[order], places, marker="|", s=90, color="#e45756", label="all samples", zorder=3
    )
    axis.set_yticks(places, [cut(names[c], 26) for c in order], fontsize=8, parse_math=False)
    axis.invert_yaxis()
    joined = " and ".join(str(anchor) for anchor in panel.anchors)
    axis.set_title(
        f"anchor{'s' * (len(panel.anchors) > 1)} {joined}, {panel.num_samples} samples", fontsize=9
    )
    count = f" ({shown} of {len(names)} categories)" if shown < len(names) else ""
    axis.set_xlabel(f"% of samples{count}", fontsize=8)
    axis.set_xlim(0, 105 * max(float(panel.shares.max()), float(overall[order].max()), 0.01))
    axis.tick_params(axis="x", labelsize=8)
