"""Figures of sound localisation: maps and boxes over frames, one panel per cluster, success curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from unlabelled.metrics.localisation import success_area, success_rates
from unlabelled.visualization.items import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BOX, _CLAIM = "#00e5ff", "white"


class LocalisedFrame(NamedTuple):
    """One clip to draw.

    Attributes:
        title: Title of its panel.
        pixels: ``(H, W, 3)`` uint8.
        heat: ``(h, w)`` in 0 to 1, the sound map.
        claimed: ``(h, w)`` bool, the pixels above the threshold.
        clusters: ``(K, h', w')`` in 0 to 1, the assignment to each cluster.
        boxes: ``(annotators, 4)``, ``x0, y0, x1, y1`` as fractions of the frame.
    """

    title: str
    pixels: NDArray[np.uint8]
    heat: NDArray[np.float64]
    claimed: NDArray[np.bool_]
    clusters: NDArray[np.float64]
    boxes: NDArray[np.float64]


def localisation_overlays(frames: Sequence[LocalisedFrame], columns: int = 4) -> Figure:
    """Draw each frame with its boxes, and below it the frame with the map on top.

    A white line encloses the pixels above the threshold.
    """
    columns = min(columns, len(frames))
    rows = -(-len(frames) // columns)
    figure = Figure(figsize=(2.3 * columns, 4.5 * rows), layout="constrained")
    axes = figure.subplots(2 * rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for number, frame in enumerate(frames):
        row, column = divmod(number, columns)
        plain, heated = axes[2 * row][column], axes[2 * row + 1][column]
        plain.set_title(drawable(frame.title), fontsize=8, parse_math=False)
        _show(plain, frame)
        _show(heated, frame)
        heated.imshow(frame.heat, cmap="inferno", alpha=0.6, vmin=0, vmax=1, extent=(0, 1, 1, 0))
        if frame.claimed.any() and not frame.claimed.all():
            centres = [(np.arange(side) + 0.5) / side for side in reversed(frame.claimed.shape)]
            heated.contour(*centres, frame.claimed.astype(float), levels=[0.5], colors=_CLAIM, linewidths=1.2)
    return figure


def localisation_clusters(frames: Sequence[LocalisedFrame]) -> Figure:
    """Draw one row per clip: the frame, and the assignment of its positions to each cluster, from 0 to 1."""
    clusters = len(frames[0].clusters)
    figure = Figure(figsize=(1.25 * (clusters + 1), 1.35 * len(frames) + 0.3), layout="constrained")
    axes = figure.subplots(len(frames), clusters + 1, squeeze=False)
    for cluster, axis in enumerate(axes[0][1:]):
        axis.set_title(f"cluster {cluster}", fontsize=7)
    for row, frame in zip(axes, frames, strict=True):
        _show(row[0], frame)
        row[0].set_title(drawable(frame.title), fontsize=6, parse_math=False)
        for cluster, axis in enumerate(row[1:]):
            heat = _scaled(frame.clusters[cluster], frame.heat.shape)
            axis.imshow(heat, cmap="inferno", vmin=0, vmax=1, extent=(0, 1, 1, 0))
            _draw_boxes(axis, frame)
        for axis in row:
            axis.set_axis_off()
    return figure


def success_curves(overlaps: dict[str, NDArray[np.float64]]) -> Figure:
    """Draw the share of clips that reach a cIoU over the threshold, with the area under the curve.

    Args:
        overlaps: cIoU ``(n,)`` of the clips, by name of the curve.
    """
    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axis = figure.subplots()
    for name, values in overlaps.items():
        tensor = torch.from_numpy(values)
        rates = success_rates(tensor).numpy()
        axis.plot(np.arange(len(rates)) * 0.05, rates, label=f"{name}, area {success_area(tensor):.3f}")
    axis.axvline(0.5, color="grey", linewidth=0.8, linestyle=":")
    axis.set(xlabel="cIoU threshold", ylabel="share of clips", xlim=(0, 1), ylim=(0, 1.02))
    axis.grid(alpha=0.3)
    axis.legend()
    return figure


def _show(axis: Axes, frame: LocalisedFrame) -> None:
    axis.imshow(frame.pixels, extent=(0, 1, 1, 0))
    _draw_boxes(axis, frame)


def _draw_boxes(axis: Axes, frame: LocalisedFrame) -> None:
    for x0, y0, x1, y1 in frame.boxes.tolist():
        axis.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=_BOX, linewidth=1.3))
    axis.set(xlim=(0, 1), ylim=(1, 0))


def _scaled(heat: NDArray[np.float64], size: tuple[int, ...]) -> NDArray[np.float64]:
    """Resize ``(h, w)`` bilinearly, as maps are before a comparison."""
    tensor = torch.from_numpy(heat)[None, None]
    scaled: NDArray[np.float64] = F.interpolate(tensor, size, mode="bilinear", align_corners=False)[
        0, 0
    ].numpy()
    return scaled
