"""Groups that give the leaves of a tree their colours: classes, or the clusters of a cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from unlabelled.hierarchy.tree import Floats, Indices, Tree
from unlabelled.visualization.items import cut

Colours = NDArray[np.float64]
GREY = (0.72, 0.72, 0.72)


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of the samples of leaves.

    Args:
        table: ``(L, C)`` samples per leaf and group, not negative; leaves without samples are grey.
        names: ``(C,)``, names of the groups.
        title: Title of the legend.
    """

    table: Floats
    names: Sequence[str]
    title: str

    def __post_init__(self) -> None:
        if self.table.ndim != 2 or self.table.shape[1] != len(self.names):
            raise ValueError(
                f"groups of leaves: a table of shape {self.table.shape} with {len(self.names)} names; "
                "expected (leaves, groups) and one name per group"
            )

    @classmethod
    def from_labels(
        cls, labels: ArrayLike, names: Sequence[str], title: str, counts: ArrayLike | None = None
    ) -> Groups:
        """Make groups from one label per leaf.

        Args:
            labels: ``(L,)`` integers, from 0; -1: no group.
            names: Names of the groups, by label.
            title: Title of the legend.
            counts: ``(L,)`` samples per leaf; None: 1.
        """
        groups = np.asarray(labels, dtype=np.int64)
        table = np.zeros((len(groups), len(names)))
        known = np.flatnonzero(groups >= 0)
        table[known, groups[known]] = 1 if counts is None else np.asarray(counts, dtype=np.float64)[known]
        return cls(table, names, title)

    @classmethod
    def from_cut(cls, tree: Tree, num_clusters: int, counts: ArrayLike | None = None) -> Groups:
        """Make groups of the clusters of a cut, numbered from left to right; at most one per leaf."""
        num_clusters = min(num_clusters, tree.num_leaves)
        names = [str(label) for label in range(num_clusters)]
        return cls.from_labels(tree.cut(num_clusters), names, f"cut into {num_clusters}", counts)

    @property
    def colours(self) -> Colours:
        """Colours of the groups ``(C, 3)``."""
        return palette(len(self.names))

    def main(self) -> Indices:
        """Return the most frequent group of each leaf ``(L,)``; -1 for leaves without samples."""
        if not self.names:
            return np.full(len(self.table), -1, dtype=np.int64)
        return np.where(self.table.any(1), self.table.argmax(1), -1)

    def coloured(self, labels: Indices) -> Colours:
        """Return the colours ``(n, 3)`` of group labels ``(n,)``; grey for -1."""
        return np.concatenate([self.colours, [GREY]])[labels]

    def of_nodes(self, tree: Tree) -> Floats:
        """Return the table ``(2L-1, C)`` of all nodes of a tree."""
        table = np.concatenate([self.table, np.zeros((len(tree.merges), len(self.names)))])
        for node, (left, right) in enumerate(tree.merges.tolist(), start=tree.num_leaves):
            table[node] = table[left] + table[right]
        return table


def palette(count: int) -> Colours:
    """Return distinct colours ``(count, 3)``: ten, twenty, or hues in three shades."""
    if count <= 10:
        colours = colormaps["tab10"](np.arange(count))
    elif count <= 20:
        strong_first = np.r_[0:20:2, 1:20:2][:count]
        colours = colormaps["tab20"](strong_first)
    else:
        step = next(step for step in range(round(0.38 * count), count) if math.gcd(step, count) == 1)
        numbers = np.arange(count)  # uses each hue once; successive hues are far apart
        shades = np.array([(0.85, 0.85), (0.5, 0.95), (0.95, 0.55)])[numbers % 3]
        colours = hsv_to_rgb(np.column_stack([numbers * step % count / count, shades]))
    return np.asarray(colours, dtype=np.float64)[:, :3]


def add_legend(figure: Figure, groups: Groups) -> None:
    """Add a legend beside the axes, with the largest groups that fit, in the order of their numbers."""
    most = max(1, int(figure.get_figheight() / 0.2) - 3)
    totals = groups.table.sum(0)
    present = np.flatnonzero(totals)
    shown = np.sort(present[np.argsort(-totals[present], kind="stable")][:most])
    entries = [(cut(groups.names[group], 28), groups.colours[group]) for group in shown]
    if len(shown) < len(present):
        entries.append((f"and {len(present) - len(shown)} more", "none"))
    if (groups.main() < 0).any():
        entries.append(("none", GREY))
    legend = figure.legend(
        [_dot(colour) for _, colour in entries],
        [text for text, _ in entries],
        title=groups.title,
        loc="outside right upper",
        frameon=False,
        fontsize=9,
        alignment="left",
        handletextpad=0.2,
    )
    for text in [*legend.get_texts(), legend.get_title()]:
        text.set_parse_math(False)


def _dot(colour: Any) -> Any:
    return Line2D([], [], linestyle="", marker="o", markersize=7, color=colour)


def short_number(number: float) -> str:
    """Return a count in at most four characters: 950, 12k, 1.5M."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * size:
            digits = number / size
            return (f"{digits:.1f}".removesuffix(".0") if digits < 9.95 else f"{digits:.0f}") + unit
    return f"{number:.0f}"
