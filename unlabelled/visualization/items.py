"""A sample in a figure: its thumbnail, or without one its title, and its text."""

from __future__ import annotations

import functools
import textwrap
import unicodedata
from typing import Any, NamedTuple

import numpy as np
from matplotlib.font_manager import FontProperties, findfont, get_font
from numpy.typing import NDArray

from unlabelled.data.datasets.evaluation_sets import EvaluationSet, LabelledSet, RetrievalSet

Axis = Any
"""A matplotlib axis; matplotlib is not typed."""

_GREY = "#9a9a9a"


class Item(NamedTuple):
    """The parts of a sample that a figure shows.

    Attributes:
        title: Name of the sample, or the text that is the sample; drawn if there is no thumbnail.
        text: Caption of any length.
        thumbnail: ``(H, W, 3)`` uint8, of any size.
        category: Name of the category; empty: none.
    """

    title: str
    text: str = ""
    thumbnail: NDArray[np.uint8] | None = None
    category: str = ""


def item_of(evaluation_set: EvaluationSet, row: int, label: int = -1) -> Item:
    """Return the item of one sample of an opened set; with ``label`` -1 its category is empty."""
    text = evaluation_set.texts[row] if isinstance(evaluation_set, RetrievalSet) else ""
    category = category_name(evaluation_set, label) if label >= 0 else ""
    return Item(evaluation_set.title(row), text, evaluation_set.thumbnail(row), category)


def category_name(evaluation_set: EvaluationSet, label: int) -> str:
    """Return the name of a label, or its number if the set has no names."""
    return (
        evaluation_set.class_names[label] if isinstance(evaluation_set, LabelledSet) else f"category {label}"
    )


def wrapped(text: str, width: int, lines: int) -> str:
    """Return ``text`` in at most ``lines`` lines of ``width`` characters; an ellipsis replaces the rest."""
    return drawable("\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder=" …")))


def cut(text: str, width: int) -> str:
    """Return ``text`` in one line; an ellipsis replaces the end of a text longer than ``width``."""
    line = " ".join(text.split())
    return drawable(line if len(line) <= width else f"{line[: width - 1].rstrip()}…")


def drawable(text: str) -> str:
    """Return ``text`` with the code points of letters that the font of figures lacks: ``[U+1F436]``.

    So classes whose names are in such letters can be distinguished. Invisible marks are dropped.
    """
    return "".join(_drawable(letter) for letter in text)


@functools.lru_cache(maxsize=4096)
def _drawable(letter: str) -> str:
    if letter == "\n" or _font().get_char_index(ord(letter)):
        return letter
    is_mark = unicodedata.category(letter) in ("Cc", "Cf", "Mn")
    return "" if is_mark else f"[U+{ord(letter):04X}]"


@functools.cache
def _font() -> Any:
    return get_font(findfont(FontProperties()))


def write(axis: Axis, x: float, y: float, text: str, **style: Any) -> None:
    """Write ``text`` at ``(x, y)`` of the axis, from 0 to 1, without parsing formulas."""
    axis.text(x, y, text, transform=axis.transAxes, parse_math=False, **style)


def show_thumbnail(axis: Axis, item: Item, width: int, frame: str | None = None) -> None:
    """Draw the thumbnail, or the title in a frame if there is no thumbnail.

    Args:
        axis: The axis.
        item: The item.
        width: Number of characters that fit into a line of the title.
        frame: Colour of a thick frame; None: a thin grey frame.
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
