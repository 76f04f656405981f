"""Figure of the results of a few queries.

Source: SSPC supplement Figure 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from unlabelled.visualization.items import Axis, Item, show_thumbnail

_MATCH, _MISSED = "#2e8b47", "#b22222"
_QUERY, _RESULT, _ROW = 2.3, 1.75, 1.72  # inches


class Found(NamedTuple):
    """One result.

    Attributes:
        item: The item that was found.
        similarity: Its similarity to the query.
        match: Whether it matches the query.
    """

    item: Item
    similarity: float
    match: bool


class Search(NamedTuple):
    """A query and its results.

    Attributes:
        query: A clip, or a text: an item without a thumbnail whose title is the text.
        found: Results, the best first.
        rank: Rank of the matching item, from 1; with ties the mean of their ranks, which may be a half.
        size: Number of items in the gallery.
    """

    query: Item
    found: Sequence[Found]
    rank: float
    size: int


def retrieved_figure(searches: Sequence[Search], title: str) -> Figure:
    """Draw a query in each row and its results beside it; the matching item has a frame and the word Match.

    Args:
        searches: The rows, at least one.
        title: Title of the figure.

    Raises:
        ValueError: There are no queries.

    Source: SSPC supplement Figure 5.
    """
    if not searches:
        raise ValueError(f"{title}: there are no queries to show; expected at least one")
    columns = max(len(search.found) for search in searches)
    size = _QUERY + columns * _RESULT, len(searches) * _ROW + 0.4
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, fontsize=11, parse_math=False)
    ratios = [_QUERY] + [_RESULT] * columns
    axes = figure.subplots(len(searches), columns + 1, squeeze=False, width_ratios=ratios)
    for row, search in zip(axes, searches, strict=True):
        _show_query(row[0], search)
        for axis in row[1 + len(search.found) :]:
            axis.set_axis_off()
        for rank, (axis, found) in enumerate(zip(row[1:], search.found, strict=False), start=1):
            _show_found(axis, rank, found)
    return figure


def _show_query(axis: Axis, search: Search) -> None:
    show_thumbnail(axis, search.query, 30)
    colour = _MATCH if search.rank <= len(search.found) else _MISSED
    axis.set_xlabel(f"match: rank {search.rank:g} of {search.size}", fontsize=8, color=colour)


def _show_found(axis: Axis, rank: int, found: Found) -> None:
    show_thumbnail(axis, found.item, 22, _MATCH if found.match else None)
    style: dict[str, Any] = {"color": _MATCH, "weight": "bold"} if found.match else {}
    match = "Match, " if found.match else ""
    axis.set_xlabel(f"{match}{rank}: {found.similarity:.2f}", fontsize=8, **style)
