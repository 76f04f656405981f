"""Everything in the picture that says nothing about its class: colours, backgrounds, camera, clutter."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from .canvas import Canvas, block, disc
from .score import FloatArray

#: Name of each twelfth of the colour circle, beginning at red.
HUES = (
    "red", "orange", "yellow", "lime", "green", "mint", "cyan", "azure", "blue", "purple", "magenta", "pink",
)  # fmt: skip
BACKGROUNDS = ("gradient", "stripes", "noise", "blobs")
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Palette:
    """Colours ``(3,)`` of a clip: the object stands out from the background, its details from it."""

    background: tuple[FloatArray, FloatArray]
    body: FloatArray
    ink: FloatArray
    hue: str


def colour(hue: float, saturation: float, luma: float) -> FloatArray:
    """The colour of a hue (0 to 1) with exactly this brightness, mixed with white or black."""
    pure = np.asarray(colorsys.hsv_to_rgb(hue % 1.0, saturation, 1.0))
    full = float(pure @ np.asarray(_LUMA))
    mixed = pure * (luma / full) if luma <= full else pure + (1 - pure) * (luma - full) / (1 - full)
    return mixed.astype(np.float32)


def draw_palette(rng: np.random.Generator) -> Palette:
    """Draw colours of any hue; light on dark or dark on light, by a brightness step of 0.29 at least."""
    behind = rng.uniform(0.12, 0.38)
    ahead = rng.uniform(behind + 0.38, 0.93)
    spread = rng.uniform(0.03, 0.09)
    lumas = np.asarray([behind - spread, behind + spread, ahead, max(ahead - 0.5, 0.06)])
    if rng.random() < 0.5:
        lumas = 1.0 - lumas
    base, other, hue = rng.random(3)
    sides = (base, base + rng.uniform(-0.2, 0.2))
    first, second = (
        colour(h, rng.uniform(0.2, 0.9), float(v)) for h, v in zip(sides, lumas[:2], strict=True)
    )
    body, ink = colour(hue, rng.uniform(0.55, 1.0), float(lumas[2])), colour(other, 0.5, float(lumas[3]))
    return Palette((first, second), body, ink, HUES[int(hue * 12 + 0.5) % 12])


def draw_background(
    rng: np.random.Generator, kind: str, palette: Palette, width: int, height: int
) -> FloatArray:
    """Draw a still background ``(3, height, width)`` of a kind from :data:`BACKGROUNDS`."""
    x, y = np.linspace(-1, 1, width)[None, :] * width / height, np.linspace(-1, 1, height)[:, None]
    angle = rng.uniform(0, np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    if kind == "gradient":
        mix = 0.5 + 0.5 * np.sin(along * rng.uniform(0.6, 1.5))
    elif kind == "stripes":
        mix = 0.5 + 0.5 * np.tanh(4 * np.sin(along * rng.uniform(6, 16)))
    elif kind == "noise":
        mix = _smooth_noise(rng, rng.uniform(0.06, 0.2), x, y)
    else:
        mix = 0.5 + 0.5 * np.tanh(3 * (_smooth_noise(rng, 0.5, x, y) - 0.5))
    low, high = (c[:, None, None] for c in palette.background)
    return np.asarray(low + (high - low) * mix[None], dtype=np.float32)


def _smooth_noise(
    rng: np.random.Generator, grain: float, x: np.ndarray[tuple[int, int]], y: np.ndarray[tuple[int, int]]
) -> np.ndarray[tuple[int, int]]:
    """A sum of 24 plane waves about ``grain`` frame heights long: noise that can be of any size."""
    total = np.zeros((y.shape[0], x.shape[1]))
    for angle, phase, scale in rng.uniform((0, 0, 0.7), (np.pi, 2 * np.pi, 1.4), (24, 3)):
        total += np.sin((x * np.cos(angle) + y * np.sin(angle)) * np.pi / (grain * scale) + phase)
    return 0.5 + 0.5 * np.tanh(total / 4)


class Camera:
    """A slow sway of the view, and the still background seen through it.

    Args:
        background: ``(3, height + 2 * margin, width + 2 * margin)``.
        margin: The largest sway, in pixels.
    """

    def __init__(self, rng: np.random.Generator, background: FloatArray, margin: int) -> None:
        self.background = background
        self.margin = margin
        self.reach = rng.uniform(0.2, 0.95, 2) * margin
        self.rate = rng.uniform(0.05, 0.25, 2) * 2 * np.pi
        self.phase = rng.uniform(0, 2 * np.pi, 2)

    def shift(self, time: float) -> tuple[float, float]:
        """How far the scene has moved ``(x, y)`` at a time, in pixels."""
        dx, dy = self.reach * np.sin(self.rate * time + self.phase)
        return float(dx), float(dy)

    def show(self, canvas: Canvas, time: float) -> None:
        """Fill the canvas with the background, moved by a fraction of a pixel where need be."""
        dx, dy = self.shift(time)
        _, height, width = canvas.pixels.shape
        left, top = self.margin - dx, self.margin - dy
        column, row = int(left), int(top)
        fx, fy = np.float32(left - column), np.float32(top - row)
        part = self.background[:, row : row + height + 1, column : column + width + 1]
        part = part[:, :-1] + fy * (part[:, 1:] - part[:, :-1])
        np.add(part[:, :, :-1], fx * (part[:, :, 1:] - part[:, :, :-1]), out=canvas.pixels)


class Clutter:
    """Up to four small shapes that float by behind the object and mean nothing."""

    def __init__(self, rng: np.random.Generator, width: int, height: int) -> None:
        count = int(rng.integers(0, 5))
        unit = min(width, height)
        self.start = rng.uniform((0, 0), (width, height), (count, 2))
        self.speed = rng.uniform(-0.12, 0.12, (count, 2)) * unit
        self.size = rng.uniform(0.02, 0.045, count) * unit
        self.square = rng.random(count) < 0.5
        self.colours = [colour(h, 0.7, v) for h, v in rng.uniform((0, 0.1), (1, 0.9), (count, 2))]

    def paint(self, canvas: Canvas, time: float) -> None:
        """Draw all of them where they are at a time."""
        places = self.start + self.speed * time
        for (x, y), size, square, hue in zip(places, self.size, self.square, self.colours, strict=True):
            shape = block(x, y, size, size) if square else disc(x, y, size)
            canvas.paint(shape, hue)
