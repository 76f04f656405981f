"""Patterns of the objects that differ in their texture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from unlabelled.data.synthetic.embedded.notes import FloatArray

Pattern = Callable[[FloatArray, FloatArray, float], FloatArray]
"""Maps points ``u``, ``v`` ``(h, w)`` to their distance ``(h, w)`` to the edge of a pattern, negative inside.

The unit is the period of the pattern; the third argument is a thickness in 0 to 1.
"""


def _fold(coordinate: FloatArray) -> FloatArray:
    """Return the distance of a coordinate to the nearest whole number, 0 to 0.5."""
    return np.asarray(np.abs(coordinate - np.round(coordinate)))


def _stripes(u: FloatArray, v: FloatArray, thickness: float) -> FloatArray:
    return _fold(u) - np.float32(0.2 + 0.1 * thickness)


def _checks(u: FloatArray, v: FloatArray, thickness: float) -> FloatArray:
    """Return the distance to the black squares of a chessboard, two squares per period."""
    sign = np.where(np.floor(2 * u) % 2 == np.floor(2 * v) % 2, -1, 1).astype(np.float32)
    return np.asarray(sign * np.minimum(_fold(2 * u), _fold(2 * v)) / np.float32(2))


def _dots(u: FloatArray, v: FloatArray, thickness: float) -> FloatArray:
    """Return the distance to round dots; every other row is moved by half a period."""
    radius = np.float32(0.2 + 0.08 * thickness)
    x = u + np.float32(0.5) * (np.round(v) % 2)
    return np.asarray(np.hypot(_fold(x), _fold(v)) - radius)


PATTERNS: dict[str, Pattern] = {"checks": _checks, "dots": _dots, "stripes": _stripes}
"""The classes that differ in their texture."""
PERIOD = {"checks": (9.0, 13.0), "dots": (6.5, 9.5), "stripes": (6.0, 10.0)}
"""Range of the period of each pattern, in pixels of an image of 48 x 48."""


def pebble(rng: np.random.Generator) -> Callable[[FloatArray, FloatArray], FloatArray]:
    """Draw an almost round outline of radius 0.7 to 1.1, as approximate distance to its edge."""
    swings, phases = rng.uniform(0, 0.1, 3), rng.uniform(0, 2 * np.pi, 3)

    def distance(u: FloatArray, v: FloatArray) -> FloatArray:
        angle = np.arctan2(v, u)
        edge = np.full_like(angle, 0.9)
        for lobes, (swing, phase) in enumerate(zip(swings, phases, strict=True), 2):
            edge += np.float32(swing) * np.sin(lobes * angle + np.float32(phase))
        return np.asarray(np.hypot(u, v) - edge)

    return distance
