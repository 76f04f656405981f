"""Parts of the frame that are independent of the class: backgrounds, camera, clutter."""

from __future__ import annotations

import numpy as np

from unlabelled.data.synthetic.embedded.canvas import Canvas, block, disc
from unlabelled.data.synthetic.embedded.colours import Palette, colour
from unlabelled.data.synthetic.embedded.motion import Drift
from unlabelled.data.synthetic.embedded.notes import FloatArray

TEXTURES = ("gradient", "stripes", "noise", "blobs")


def draw_texture(rng: np.random.Generator, kind: str, width: int, height: int) -> FloatArray:
    """Draw a static texture ``(height, width)`` in 0 to 1 of a kind from :data:`TEXTURES`.

    0 and 1 are the two background colours of the palette.
    """
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :] * np.float32(width / height)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
    along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    if kind == "gradient":
        mix = 0.5 + 0.5 * np.sin(along * np.float32(rng.uniform(0.6, 1.5)) + np.float32(phase))
    elif kind == "stripes":
        mix = 0.5 + 0.5 * np.tanh(4 * np.sin(along * np.float32(rng.uniform(6, 16)) + np.float32(phase)))
    elif kind == "noise":
        mix = _smooth_noise(rng, rng.uniform(0.06, 0.2), x, y)
    else:
        mix = 0.5 + 0.5 * np.tanh(3 * (_smooth_noise(rng, 0.5, x, y) - 0.5))
    return np.asarray(mix, dtype=np.float32)


def _smooth_noise(rng: np.random.Generator, grain: float, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return noise: a sum of 16 plane waves of about ``grain`` frame heights."""
    total = np.zeros((y.shape[0], x.shape[1]), dtype=np.float32)
    for angle, phase, scale in rng.uniform((0, 0, 0.7), (np.pi, 2 * np.pi, 1.4), (16, 3)):
        turns = np.pi / (grain * scale)
        across, down = np.float32(turns * np.cos(angle)), np.float32(turns * np.sin(angle))
        total += np.sin(x * across + y * down + np.float32(phase))
    return np.asarray(0.5 + 0.5 * np.tanh(total / 3), dtype=np.float32)


class Camera:
    """A slow motion of the camera over a static background.

    Args:
        rng: Source of the path.
        seconds: Duration of the clip.
        margin: Width of the background beyond each side of the frame, in pixels.
    """

    def __init__(self, rng: np.random.Generator, seconds: float, margin: int) -> None:
        self.across, self.down = (Drift(rng, seconds, 0.0, 2.0 * margin) for _ in range(2))

    def show(self, canvas: Canvas, texture: FloatArray, palette: Palette, time: float) -> None:
        """Fill the canvas with a texture ``(height + 2 * margin + 1, width + 2 * margin + 1)``."""
        _, height, width = canvas.pixels.shape
        left, top = self.across.at(time), self.down.at(time)
        column, row = int(left), int(top)
        part = texture[row : row + height + 1, column : column + width + 1]
        part = part[:-1] + np.float32(top - row) * (part[1:] - part[:-1])
        part = part[:, :-1] + np.float32(left - column) * (part[:, 1:] - part[:, :-1])
        first, second = (c[:, None, None] for c in palette.background)
        np.add(first, (second - first) * part, out=canvas.pixels)


class Clutter:
    """Up to four small shapes that move behind the object, independent of the class."""

    def __init__(self, rng: np.random.Generator, width: int, height: int) -> None:
        count = int(rng.integers(0, 5))
        unit = min(width, height)
        self.start = rng.uniform((0, 0), (width, height), (count, 2))
        self.speed = rng.uniform(-0.2, 0.2, (count, 2)) * unit
        self.size = rng.uniform(0.02, 0.045, count) * unit
        self.square = rng.random(count) < 0.5
        self.colours = [colour(h, 0.7, v) for h, v in rng.uniform((0, 0.1), (1, 0.9), (count, 2))]

    def paint(self, canvas: Canvas, time: float) -> None:
        """Draw all shapes, ``time`` seconds after the beginning of the shot."""
        positions = self.start + self.speed * time
        for (x, y), size, square, hue in zip(positions, self.size, self.square, self.colours, strict=True):
            shape = block(x, y, size, size) if square else disc(x, y, size)
            canvas.paint(shape, hue)
