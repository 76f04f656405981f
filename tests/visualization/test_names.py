"""Class names of all kinds in figures."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from unlabelled.visualization import cluster_class_matrix, cluster_gallery
from unlabelled.visualization.groups import Groups, add_legend
from unlabelled.visualization.items import cut, drawable
from unlabelled.visualization.localisation import LocalisedFrame, localisation_clusters, localisation_overlays

NAMES = [
    "under $20 # best of $50",
    r"a_b^c\frac{x",
    "\N{DOG FACE} emoji",
    "שלום",
    "مرحبا",
    "犬",
    r"\$%&{}~ <b>",
]


def texts(figure: Figure) -> str:
    """Draw a figure without warnings, and return its texts."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()
    return "\n".join(each.get_text() for each in figure.findobj(Text))


def test_names_are_drawn_as_they_are() -> None:
    count = len(NAMES)
    images = np.zeros((count, 4, 4, 3), np.uint8)
    labels = np.arange(count)
    gallery = cluster_gallery(images, labels, np.ones(count), labels, NAMES)
    matrix = cluster_class_matrix(np.eye(count), NAMES)
    legend = Figure(figsize=(4, 4), layout="constrained")
    add_legend(legend, Groups(np.eye(count), NAMES, "under $5 and $6"))
    for figure in (gallery, matrix, legend):
        drawn = texts(figure)
        for name in NAMES:
            assert cut(name, 28) in drawn


def test_titles_of_localised_frames_are_no_formulas() -> None:
    heat = np.zeros((2, 2))
    pixels, clusters, boxes = np.zeros((4, 4, 3), np.uint8), np.zeros((1, 2, 2)), np.zeros((0, 4))
    frame = LocalisedFrame(NAMES[0], pixels, heat, heat > 1, clusters, boxes)
    for draw in (localisation_overlays, localisation_clusters):
        assert NAMES[0] in texts(draw([frame]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("犬 dog", "[U+72AC] dog"), ("é x", "é x"), ("a\nb", "a\nb"), ("a\tb", "ab"), ("שלום", "שלום")],
)
def test_letters_that_the_font_lacks_have_code_points(name: str, expected: str) -> None:
    assert drawable(name) == expected


def test_samples_without_a_label_are_in_no_caption() -> None:
    images, one = np.zeros((3, 4, 4, 3), np.uint8), np.ones(3)
    clusters = np.zeros(3, np.int64)
    drawn = texts(cluster_gallery(images, clusters, one, np.array([-1, 0, -1]), ["cat"]))
    assert "cluster 0 (3 clips)\n33% cat" in drawn
    assert "%" not in texts(cluster_gallery(images, clusters, one, np.full(3, -1), []))
