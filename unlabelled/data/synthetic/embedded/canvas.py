"""Anti-aliased drawing of shapes that are signed distances to their edge, in pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from unlabelled.data.synthetic.embedded.notes import FloatArray

Box = tuple[float, float, float, float]  # x0, y0, x1, y1
Point = tuple[float, float]


@dataclass(frozen=True)
class Shape:
    """A region of the plane.

    Args:
        extent: Bounding box in pixels.
        distance: Maps pixel centres ``x (1, w)``, ``y (h, 1)`` to their distance to the edge ``(h, w)``,
            negative inside.
    """

    extent: Box
    distance: Callable[[FloatArray, FloatArray], FloatArray]


class Canvas:
    """An image ``(3, height, width)`` with values in 0 to 1, and methods to paint on it.

    ``touched`` is the bounding box of all shapes painted since :meth:`start`.
    """

    def __init__(self, width: int, height: int) -> None:
        self.pixels: FloatArray = np.zeros((3, height, width), dtype=np.float32)
        self.x = np.arange(width, dtype=np.float32)[None, :] + np.float32(0.5)
        self.y = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
        self.touched: Box = (np.inf, np.inf, -np.inf, -np.inf)

    def start(self) -> None:
        """Reset ``touched``."""
        self.touched = (np.inf, np.inf, -np.inf, -np.inf)

    def paint(self, shape: Shape, colour: FloatArray, opacity: float = 1.0) -> None:
        """Paint a shape of one colour ``(3,)`` over the image."""
        x0, y0, x1, y1 = shape.extent
        left, top, right, bottom = self.touched
        self.touched = (min(left, x0), min(top, y0), max(right, x1), max(bottom, y1))
        rows = slice(max(int(y0) - 1, 0), max(int(y1) + 2, 0))
        columns = slice(max(int(x0) - 1, 0), max(int(x1) + 2, 0))
        distance = shape.distance(self.x[:, columns], self.y[rows])
        cover = np.clip(np.float32(0.5) - distance, 0, 1) * np.float32(opacity)
        region = self.pixels[:, rows, columns]
        region += cover * (colour[:, None, None] - region)


def disc(x: float, y: float, radius: float) -> Shape:
    """Return a filled circle."""
    cx, cy, r = np.float32(x), np.float32(y), np.float32(radius)
    return Shape(
        (x - radius, y - radius, x + radius, y + radius),
        lambda px, py: np.sqrt((px - cx) ** 2 + (py - cy) ** 2) - r,
    )


def ring(x: float, y: float, radius: float, width: float) -> Shape:
    """Return a circle drawn with a line of ``width``."""
    whole, half = disc(x, y, radius), np.float32(width / 2)
    outer = disc(x, y, radius + width / 2)
    return Shape(outer.extent, lambda px, py: np.abs(whole.distance(px, py)) - half)


def block(x: float, y: float, half_width: float, half_height: float, rounding: float = 0.0) -> Shape:
    """Return an axis-parallel rectangle with rounded corners."""
    cx, cy, r = np.float32(x), np.float32(y), np.float32(rounding)
    hx, hy = np.float32(half_width - rounding), np.float32(half_height - rounding)

    def distance(px: FloatArray, py: FloatArray) -> FloatArray:
        qx, qy = np.abs(px - cx) - hx, np.abs(py - cy) - hy
        outside = np.sqrt(np.maximum(qx, 0) ** 2 + np.maximum(qy, 0) ** 2)
        return np.asarray(outside + np.minimum(np.maximum(qx, qy), 0) - r)

    return Shape((x - half_width, y - half_height, x + half_width, y + half_height), distance)


def stroke(start: Point, end: Point, radius: float) -> Shape:
    """Return a straight line with round ends."""
    (ax, ay), (bx, by) = start, end
    dx, dy = np.float32(bx - ax), np.float32(by - ay)
    length = np.float32(max(float(dx * dx + dy * dy), 1e-6))
    extent = (min(ax, bx) - radius, min(ay, by) - radius, max(ax, bx) + radius, max(ay, by) + radius)

    def distance(px: FloatArray, py: FloatArray) -> FloatArray:
        qx, qy = px - np.float32(ax), py - np.float32(ay)
        along = np.clip((qx * dx + qy * dy) / length, 0, 1)
        return np.sqrt((qx - along * dx) ** 2 + (qy - along * dy) ** 2) - np.float32(radius)

    return Shape(extent, distance)


def cone(x: float, y: float, angle: float, length: float, spread: float) -> Shape:
    """Return a beam that widens from a point to ``spread`` pixels on each side; ``angle`` in radians."""
    ux, uy = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    cx, cy, slope = np.float32(x), np.float32(y), np.float32(spread / length)
    tips = [(length * ux - s * spread * uy, length * uy + s * spread * ux) for s in (-1, 1)]
    xs, ys = [x, *(x + float(tip[0]) for tip in tips)], [y, *(y + float(tip[1]) for tip in tips)]

    def distance(px: FloatArray, py: FloatArray) -> FloatArray:
        qx, qy = px - cx, py - cy
        along, across = qx * ux + qy * uy, np.abs(qy * ux - qx * uy)
        side = (across - along * slope) / np.sqrt(1 + slope**2)
        return np.asarray(np.maximum(side, along - np.float32(length)))

    return Shape((min(xs), min(ys), max(xs), max(ys)), distance)


def bent_string(x: float, top: float, bottom: float, bend: float, width: float) -> Shape:
    """Return a vertical string fixed at both ends, with its middle displaced by ``bend`` pixels."""
    reach = abs(bend) + width / 2

    def distance(px: FloatArray, py: FloatArray) -> FloatArray:
        position = np.clip((py - np.float32(top)) / np.float32(max(bottom - top, 1e-3)), 0, 1)
        centre = np.float32(x) + np.float32(bend) * np.sin(np.float32(np.pi) * position)
        beyond = np.maximum(np.float32(top) - py, py - np.float32(bottom))
        return np.asarray(np.maximum(np.abs(px - centre) - np.float32(width / 2), beyond))

    return Shape((x - reach, top, x + reach, bottom), distance)
