"""Outlines of the objects, as signed distances in units of the object's radius."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from unlabelled.data.synthetic.embedded.notes import FloatArray

Outline = Callable[[FloatArray, FloatArray, float], FloatArray]
"""Maps points ``u`` (right), ``v`` (down) to their distance to the edge, negative inside; ``(h, w)`` each.

The third argument is a thickness in 0 to 1, for outlines that have one.
"""
_Points = npt.NDArray[np.float64]


def polygon(u: FloatArray, v: FloatArray, corners: _Points) -> FloatArray:
    """Return the distance ``(h, w)`` to a polygon with corners ``(n, 2)``, negative inside."""
    a = corners.astype(np.float32)[:, :, None, None]  # (n, 2, 1, 1)
    b = np.roll(a, -1, axis=0)
    edge, x, y = b - a, u - a[:, 0], v - a[:, 1]  # x, y: (n, h, w)
    along = np.clip((x * edge[:, 0] + y * edge[:, 1]) / (edge**2).sum(axis=1), 0, 1)
    squared = (x - along * edge[:, 0]) ** 2 + (y - along * edge[:, 1]) ** 2
    crosses = (a[:, 1] > v) != (b[:, 1] > v)  # the edge crosses the row of the point
    left = (x * edge[:, 1] - y * edge[:, 0]) * np.sign(edge[:, 1]) < 0
    inside = (crosses & left).sum(axis=0) % 2 == 1
    distance: FloatArray = np.sqrt(squared.min(axis=0)) * np.where(inside, -1, 1).astype(np.float32)
    return distance


def _disc(u: FloatArray, v: FloatArray, thickness: float) -> FloatArray:
    return np.asarray(np.hypot(u, v) - np.float32(0.9))


def _ring(u: FloatArray, v: FloatArray, thickness: float) -> FloatArray:
    half = 0.12 + 0.1 * thickness
    return np.asarray(np.abs(np.hypot(u, v) - np.float32(0.95 - half)) - np.float32(half))


def _crescent(u: FloatArray, v: FloatArray, thickness: float) -> FloatArray:
    bite = np.hypot(u - np.float32(0.5 + 0.15 * thickness), v) - np.float32(0.72)
    return np.asarray(np.maximum(np.hypot(u, v) - np.float32(0.95), -bite))


def _spiral(u: FloatArray, v: FloatArray, thickness: float) -> FloatArray:
    """Return the distance to an Archimedean spiral of two and a quarter turns."""
    pitch, radius = 0.44, np.hypot(u, v)
    turns = radius / np.float32(pitch) - np.arctan2(v, u) / np.float32(2 * np.pi)
    off = np.abs(turns - np.round(turns)) * np.float32(pitch)
    return np.asarray(np.maximum(off - np.float32(0.08 + 0.05 * thickness), radius - np.float32(1)))


def _around(radii: _Points, start: float) -> _Points:
    """Return corners ``(n, 2)`` at equal angles and distances ``radii``, the first at ``start``."""
    angles = start + 2 * np.pi * np.arange(len(radii)) / len(radii)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def _star(u: FloatArray, v: FloatArray, thickness: float) -> FloatArray:
    radii = np.tile([1.05, 0.4 + 0.08 * thickness], 5)
    return polygon(u, v, _around(radii, -np.pi / 2))


def _cross(u: FloatArray, v: FloatArray, thickness: float) -> FloatArray:
    """Return the distance to a plus sign, two bars."""
    arm = np.float32(0.2 + 0.12 * thickness)
    x, y, end = np.abs(u), np.abs(v), np.float32(0.95)
    bars = [np.maximum(x - end, y - arm), np.maximum(y - end, x - arm)]
    return np.minimum(*bars)


def _arrow(u: FloatArray, v: FloatArray, thickness: float) -> FloatArray:
    shaft = 0.16 + 0.12 * thickness
    half = [(1.0, 0.0), (0.1, 0.8), (0.1, shaft), (-0.95, shaft)]
    return polygon(u, v, np.asarray(half + [(x, -y) for x, y in half[:0:-1]]))


def _heart_corners() -> _Points:
    """Return corners ``(40, 2)`` of the heart curve, 16 sin^3 and a sum of cosines, scaled to radius 1."""
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([x, -y - 2.5], axis=1) / 16


def _regular(u: FloatArray, v: FloatArray, thickness: float, corners: _Points) -> FloatArray:
    return polygon(u, v, corners)


SHAPES: dict[str, Outline] = {
    "arrow": _arrow,
    "crescent": _crescent,
    "cross": _cross,
    "disc": _disc,
    "heart": partial(_regular, corners=_heart_corners()),
    "ring": _ring,
    "spiral": _spiral,
    "square": partial(_regular, corners=_around(np.full(4, 1.1), np.pi / 4)),
    "star": _star,
    "triangle": partial(_regular, corners=_around(np.full(3, 1.1), -np.pi / 2)),
}
"""The classes that differ in their outline."""
