"""Figures of clusters and classes: gallery, matrix, sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unlabelled.visualization.items import cut

Array = NDArray[np.float64]
Images = NDArray[np.uint8]
_LONGEST_NAME = 32  # characters


def cluster_gallery(
    images: Images,
    clusters: NDArray[np.int64],
    confidence: Array,
    labels: NDArray[np.int64],
    class_names: Sequence[str],
    num_clusters: int = 10,
    per_cluster: int = 8,
) -> Figure:
    """Draw the most confident clips of the largest clusters, with the shares of the classes.

    Args:
        images: ``(n, height, width, 3)``, one frame per clip.
        clusters: ``(n,)`` predicted clusters.
        confidence: ``(n,)`` probabilities of these clusters.
        labels: ``(n,)`` classes, for the captions; -1: none.
        class_names: Names of the classes, by label; empty: there are none.
        num_clusters: Number of rows.
        per_cluster: Number of clips in a row.
    """
    ids, sizes = np.unique(clusters, return_counts=True)
    largest = ids[np.argsort(-sizes, kind="stable")][:num_clusters]
    figure = Figure(figsize=(per_cluster * 1.05 + 3.2, len(largest) * 1.08 + 0.2), layout="constrained")
    axes = figure.subplots(
        len(largest), per_cluster + 1, squeeze=False, width_ratios=[2.2] + [1] * per_cluster
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for row, cluster in zip(axes, largest, strict=True):
        members = np.flatnonzero(clusters == cluster)
        caption = _caption(int(cluster), labels[members], class_names)
        row[0].text(1, 0.5, caption, ha="right", va="center", fontsize=8, parse_math=False)
        best = members[np.argsort(-confidence[members], kind="stable")][:per_cluster]
        for axis, member in zip(row[1:], best, strict=False):
            axis.imshow(images[member])
    return figure


def _caption(cluster: int, labels: NDArray[np.int64], class_names: Sequence[str], show: int = 3) -> str:
    counts = np.bincount(labels[labels >= 0], minlength=len(class_names))
    shares = [
        f"{counts[label] / len(labels):.0%} {cut(class_names[label], _LONGEST_NAME)}"
        for label in np.argsort(-counts, kind="stable")[:show]
        if counts[label]
    ]
    return "\n".join([f"cluster {cluster} ({len(labels)} clips)", *shares])


def cluster_class_matrix(table: Array, class_names: Sequence[str], most: int = 60) -> Figure:
    """Draw the shares of the classes in each cluster; clusters are ordered by their main class.

    Args:
        table: ``(clusters, classes)`` counts.
        class_names: Names of the classes, by column.
        most: Largest number of clusters, and of classes; the most frequent ones are drawn.
    """
    rows = np.argsort(-table.sum(1), kind="stable")[:most]
    columns = np.sort(np.argsort(-table.sum(0), kind="stable")[:most])
    part = table[np.ix_(rows, columns)]
    order = np.lexsort((-part.max(1), part.argmax(1)))
    shares = part[order] / np.maximum(part[order].sum(1, keepdims=True), 1)
    side = 2.5 + 0.24 * max(len(rows), len(columns))
    figure = Figure(figsize=(side + 1.2, side), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(shares, cmap="magma_r", vmin=0, vmax=1, aspect="auto")
    names = [cut(class_names[column], _LONGEST_NAME) for column in columns]
    axis.set_xticks(range(len(columns)), names, rotation=90, fontsize=7, parse_math=False)
    axis.set_yticks(range(len(rows)), [str(r) for r in rows[order]], fontsize=7)
    axis.set(xlabel="class", ylabel="cluster")
    figure.colorbar(image, label="share of the cluster's clips")
    return figure


def cluster_sizes(sizes: Array, wanted: Array | None) -> Figure:
    """Draw the sizes of the clusters, the largest first, and the target sizes of the marginals.

    Args:
        sizes: ``(K,)``, numbers of clips of the clusters.
        wanted: ``(K,)``, target sizes; None: there are none.
    """
    order = np.argsort(-sizes, kind="stable")
    figure = Figure(figsize=(6.5, 3.2), layout="constrained")
    axis = figure.subplots()
    axis.bar(range(len(sizes)), sizes[order], width=1.0, label="clips", color="#4c78a8")
    if wanted is not None:
        axis.step(range(len(sizes)), wanted[order], where="mid", color="#e45756", label="marginals")
    axis.set(xlabel="cluster, by size", ylabel="clips")
    axis.legend()
    return figure
