"""A sample in a figure: its thumbnail, or its title where there is none, and its text."""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.datasets.evaluation_sets import EvaluationSet, LabelledSet, RetrievalSet

Axis = Any
"""A matplotlib axis; matplotlib is not typed."""

_GREY = "#9a9a9a"


class Item(NamedTuple):
    """What is shown of a sample.

    Attributes:
        title: What the sample is called, or the text that it is; drawn where there is no thumbnail.
        text: Its caption, of any length.
        thumbnail: ``(H, W, 3)`` uint8, of any size.
        category: Its name, or nothing.
    """

    title: str
    text: str = ""
    thumbnail: NDArray[np.uint8] | None = None
    category: str = ""


def item_of(evaluation_set: EvaluationSet, row: int, label: int = -1) -> Item:
    """Return what is shown of one sample of an opened set; ``label`` -1: its category is not named."""
    text = evaluation_set.texts[row] if isinstance(evaluation_set, RetrievalSet) else ""
    category = category_name(evaluation_set, label) if label >= 0 else ""
    return Item(evaluation_set.title(row), text, evaluation_set.thumbnail(row), category)


def category_name(evaluation_set: EvaluationSet, label: int) -> str:
    """Return what a label is called; its number, if the set does not name its labels."""
    return (
        evaluation_set.class_names[label] if isinstance(evaluation_set, LabelledSet) else f"category {label}"
    )


def wrapped(text: str, width: int, lines: int) -> str:
    """Return ``text`` in lines of at most ``width`` characters; what is cut off becomes an ellipsis."""
    return "\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder=" …"))


def cut(text: str, width: int) -> str:
    """Return ``text`` in one line, its end replaced by an ellipsis if it is longer than ``width``."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1].rstrip()}…"


def write(axis: Axis, x: float, y: float, text: str, **style: Any) -> None:
    """Write ``text`` as it stands at ``(x, y)`` of the axis, from 0 to 1; dollars do not start a formula."""
    axis.text(x, y, text, transform=axis.transAxes, parse_math=False, **style)


def show_thumbnail(axis: Axis, item: Item, width: int, frame: str | None = None) -> None:
    """Draw the thumbnail, or the title in a frame where there is none.

    Args:
        axis: Where to.
        item: What.
        width: Characters that fit into a line of the title.
        frame: Colour of a thick frame; ``None``: none.
    """
    axis.set_xticks([])
    axis.set_yticks([])
    if item.thumbnail is None:
        write(axis, 0.5, 0.5, wrapped(item.title, width, 7), ha="center", va="center", fontsize=8)
        axis.set_facecolor("#f2f2f2")
    else:
        axis.imshow(item.thumbnail)
    for spine in axis.spines.values():
        spine.set(edgecolor=frame or _GREY, linewidth=3.0 if frame else 0.6)
