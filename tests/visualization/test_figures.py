"""Figures of anchors and of searches: their contents, for unusual samples too."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from unlabelled.visualization.anchor_codes import Codes, binary_codes
from unlabelled.visualization.anchors import CategoryPanel, assignment_figure, category_figure
from unlabelled.visualization.items import Item, cut, wrapped
from unlabelled.visualization.retrieved import Found, Search, retrieved_figure

GREEN, YELLOW, RED = "#2e8b47", "#fff0a5", "#d7191c"
LONG = r"für $5 and $\nosuch{ the Straßenhändler » sells Käse " * 20
THUMBNAIL = np.arange(84 * 112 * 3, dtype=np.int64).reshape(84, 112, 3).astype(np.uint8)


def texts(figure: Figure) -> list[str]:
    """Draw the figure, without a warning, and return all that is written in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(BytesIO(), dpi=60)
    found: list[Any] = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return [text.get_text() for text in found]


def cells(axis: Any) -> tuple[list[str], set[int]]:
    """Return the cells' colours, and which are framed."""
    patches = [patch for patch in axis.patches if isinstance(patch, Rectangle)]
    filled = [patch for patch in patches if patch.get_fill()]
    framed = {int(p.get_x()) + 16 * int(p.get_y()) for p in patches if not p.get_fill()}
    assert all(to_hex(p.get_edgecolor()) == RED for p in patches if not p.get_fill())
    return [to_hex(patch.get_facecolor()) for patch in filled], framed


def grids(figure: Figure) -> list[Any]:
    return [axis for axis in figure.axes if axis.get_title(loc="left")]


def codes(seed: int, samples: int, num_anchors: int) -> Codes:
    return binary_codes(np.random.default_rng(seed).random((samples, num_anchors)), num_anchors // 2)


@pytest.mark.parametrize("num_anchors", [8, 64])
def test_pairs_are_framed_where_they_differ(num_anchors: int) -> None:
    pair = codes(0, 2, num_anchors)
    items = [Item("a", LONG, THUMBNAIL, "Käse"), Item("b" * 90, "", None, "cars")]
    figure = assignment_figure(items, {"video": pair}, "a $title")
    written = texts(figure)
    assert {"a $title", "a - Käse", "cars", str(num_anchors - 1)} < set(written)
    assert (
        f"video anchors: {(pair[0] & pair[1]).sum()} of {num_anchors // 2} shared with the first" in written
    )
    for axis, code in zip(grids(figure), pair, strict=True):
        colours, framed = cells(axis)
        assert colours == [GREEN if on else YELLOW for on in code]
        assert framed == set(np.flatnonzero(pair[0] != pair[1]).tolist())


def test_three_samples_are_compared_with_the_first() -> None:
    three = codes(1, 3, 64)
    figure = assignment_figure([Item(str(i)) for i in range(3)], {"text": three}, "confusing")
    texts(figure)
    for axis, code in zip(grids(figure), three, strict=True):
        assert cells(axis)[1] == set(np.flatnonzero(three[0] != code).tolist())


def test_a_modality_that_is_missing_is_named_and_compared_with_nothing() -> None:
    pair = codes(2, 2, 8)
    for missing in (0, 1):
        part = pair.copy()
        part[missing] = False
        figure = assignment_figure([Item("a"), Item("b")], {"video": pair, "audio": part}, "t")
        assert "no audio" in texts(figure)
        axes = grids(figure)[2:]
        assert cells(axes[missing]) == ([], set())
        assert len(cells(axes[1 - missing])[0]) == 8
        assert cells(axes[1 - missing])[1] == set()


def test_a_figure_without_samples_is_a_note() -> None:
    assert "confusing: there are no such samples" in texts(assignment_figure([], {}, "confusing"))
    assert "x: there are no such samples" in texts(category_figure([[], []], np.ones(1), ["a"], "x"))


def test_categories_of_anchors() -> None:
    shares = np.array([0.1, 0.6, 0.3, 0.0])
    overall = np.full(4, 0.25)
    rows = [
        [CategoryPanel((22,), shares, 30), CategoryPanel((3,), overall, 9)],
        [CategoryPanel((2, 5), shares, 7)],
    ]
    figure = category_figure(rows, overall, ["Käse $1", "x" * 80, "cars", "pets"], "title", most=3)
    written = texts(figure)
    assert {"anchor 22, 30 samples", "anchors 2 and 5, 7 samples", "% of samples (3 of 4 categories)"} < set(
        written
    )
    axis = figure.axes[0]
    bars: list[Any] = list(axis.patches)
    assert [round(bar.get_width()) for bar in bars] == [60, 30, 10]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["x" * 25 + "…", "cars", "Käse $1"]
    assert axis.collections[0].get_offsets()[:, 0].tolist() == [25, 25, 25]


@pytest.mark.parametrize("thumbnail", [THUMBNAIL, THUMBNAIL[:, :20], None])
def test_searches_mark_the_matching_item(thumbnail: Any) -> None:
    def found(match: int) -> list[Found]:
        return [Found(Item(f"clip{i}" * 9, LONG, thumbnail), 0.5 - i / 10, i == match) for i in range(5)]

    searches = [
        Search(Item(LONG), found(1), 2.5, 1000),
        Search(Item("a man"), found(7), 17, 1000),
        Search(Item("few"), found(0)[:2], 1, 2),
    ]
    figure = retrieved_figure(searches, "msrvtt: text → $video")
    written = texts(figure)
    assert {"match: rank 2.5 of 1000", "match: rank 17 of 1000", "1: 0.50"} < set(written)
    assert [text for text in written if "Match" in text] == ["Match, 2: 0.40", "Match, 1: 0.50"]
    wide = [axis for axis in figure.axes if axis.spines["left"].get_linewidth() > 1]
    assert [axis.get_xlabel() for axis in wide] == ["Match, 2: 0.40", "Match, 1: 0.50"]
    assert to_hex(figure.axes[6].xaxis.label.get_color()) == "#b22222"


def test_a_figure_of_no_searches_is_refused() -> None:
    with pytest.raises(ValueError, match="there are no queries"):
        retrieved_figure([], "title")


def test_words_are_cut_where_they_do_not_fit() -> None:
    assert wrapped("one two  three\nfour", 8, 2) == "one two\nthree …"
    assert max(map(len, wrapped("x" * 100, 10, 4).splitlines())) == 10
    assert wrapped("", 5, 1) == ""
    assert cut("a  b\nc", 5) == "a b c"
    assert cut("abc def", 5) == "abc…"
