"""Draw one image: an object of a class, with random properties that are independent of the class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unlabelled.data.synthetic.drawn.shapes import SHAPES, Outline
from unlabelled.data.synthetic.drawn.textures import PATTERNS, PERIOD, pebble
from unlabelled.data.synthetic.embedded.backgrounds import TEXTURES, draw_texture
from unlabelled.data.synthetic.embedded.canvas import Canvas, Shape, block, disc
from unlabelled.data.synthetic.embedded.colours import colour
from unlabelled.data.synthetic.embedded.notes import FloatArray

SIZE = 48  # pixels; training crops are resized to 32
CLASSES = tuple(sorted({**SHAPES, **PATTERNS}))
_WHOLE = (0.0, 0.0, float(SIZE), float(SIZE))  # a shape's extent is the whole image, which is small
_TURN = np.pi / 9  # largest rotation of an object to either side


@dataclass(frozen=True)
class Pose:
    """Pose of the object: centre and radius in pixels, rotation in radians, 1 or -1 (mirrored)."""

    x: float
    y: float
    radius: float
    turn: float
    mirror: int

    def local(self, px: FloatArray, py: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the coordinates of pixels ``(h, w)`` relative to the object's centre and axes, in pixels."""
        x, y = px - np.float32(self.x), py - np.float32(self.y)
        cos, sin = np.float32(np.cos(self.turn)), np.float32(np.sin(self.turn))
        return np.asarray((x * cos + y * sin) * self.mirror), np.asarray(y * cos - x * sin)


def draw_image(rng: np.random.Generator, name: str) -> npt.NDArray[np.uint8]:
    """Draw an image ``(48, 48, 3)`` uint8 of a class from :data:`CLASSES`.

    Position, size, rotation, colours, contrast, background texture, small shapes, thickness, blur and noise
    have the same distribution in all classes.
    """
    canvas = Canvas(SIZE, SIZE)
    dark = rng.random() < 0.5
    behind, body, ink = _draw_colours(rng, dark)
    texture = draw_texture(rng, TEXTURES[int(rng.integers(len(TEXTURES)))], SIZE, SIZE)
    canvas.pixels[:] = behind[0][:, None, None] * (1 - texture) + behind[1][:, None, None] * texture
    _scatter(rng, canvas)
    pose, thickness = draw_pose(rng), rng.uniform(0, 1)
    if name in SHAPES:
        _paint_shape(canvas, SHAPES[name], pose, thickness, body)
    else:
        _paint_pattern(rng, canvas, name, pose, thickness, (body, ink))
    return _photograph(rng, canvas.pixels)


def draw_pose(rng: np.random.Generator) -> Pose:
    """Draw a pose; at most a fifth of the object's radius is outside the image."""
    radius = SIZE / 2 * rng.uniform(0.65, 1.0)
    room = SIZE / 2 - 0.8 * radius
    x, y = SIZE / 2 + rng.uniform(-room, room, 2)
    return Pose(float(x), float(y), float(radius), rng.uniform(-_TURN, _TURN), 1 - 2 * int(rng.integers(2)))


def _draw_colours(
    rng: np.random.Generator, dark: bool
) -> tuple[tuple[FloatArray, FloatArray], FloatArray, FloatArray]:
    """Draw two colours ``(3,)`` of the background, those of the object and its pattern."""
    far, near, spread = rng.uniform(0.1, 0.3), rng.uniform(0.65, 0.92), rng.uniform(0.01, 0.04)
    lumas = (far - spread, far + spread, near, near - rng.uniform(0.4, 0.6))
    first, second, body, ink = (max(luma, 0.02) if dark else 1 - max(luma, 0.02) for luma in lumas)
    pale, rich = rng.uniform(0.1, 0.9), rng.uniform(0.3, 1.0)
    hues = rng.uniform(0, 1, 3)
    background = colour(hues[0], pale, first), colour(hues[0] + 0.15, pale, second)
    return background, colour(hues[1], rich, body), colour(hues[2], rich, ink)


def _scatter(rng: np.random.Generator, canvas: Canvas) -> None:
    """Paint up to three small shapes behind the object."""
    for _ in range(int(rng.integers(0, 4))):
        (x, y), size = rng.uniform(0, SIZE, 2), rng.uniform(1.0, 2.5)
        shape = block(x, y, size, size) if rng.random() < 0.5 else disc(x, y, size)
        canvas.paint(shape, colour(rng.uniform(0, 1), 0.7, rng.uniform(0.1, 0.9)))


def _paint_shape(canvas: Canvas, outline: Outline, pose: Pose, thickness: float, body: FloatArray) -> None:
    radius = np.float32(pose.radius)

    def distance(px: FloatArray, py: FloatArray) -> FloatArray:
        u, v = pose.local(px, py)
        return outline(u / radius, v / radius, thickness) * radius

    canvas.paint(Shape(_WHOLE, distance), body)


def _paint_pattern(
    rng: np.random.Generator,
    canvas: Canvas,
    name: str,
    pose: Pose,
    thickness: float,
    colours: tuple[FloatArray, FloatArray],
) -> None:
    """Paint a round object of the first colour with a pattern of the second."""
    radius, edge = np.float32(pose.radius), pebble(rng)
    period, moved = np.float32(rng.uniform(*PERIOD[name])), rng.uniform(0, 1, 2).astype(np.float32)

    def outline(px: FloatArray, py: FloatArray) -> FloatArray:
        u, v = pose.local(px, py)
        return edge(u / radius, v / radius) * radius

    def pattern(px: FloatArray, py: FloatArray) -> FloatArray:
        u, v = pose.local(px, py)
        inside = PATTERNS[name](u / period + moved[0], v / period + moved[1], thickness) * period
        return np.asarray(np.maximum(inside, outline(px, py)))

    for distance, colour_of_it in zip((outline, pattern), colours, strict=True):
        canvas.paint(Shape(_WHOLE, distance), colour_of_it)


def _photograph(rng: np.random.Generator, pixels: FloatArray) -> npt.NDArray[np.uint8]:
    """Add a slight blur, a brightness gradient and noise to an image ``(3, h, w)``: uint8 ``(h, w, 3)``."""
    for axis in (1, 2):
        pixels = _blur(pixels, axis, rng.uniform(0, 0.25))
    slope = rng.uniform(-0.08, 0.08, 2).astype(np.float32)
    ramp = np.linspace(-1, 1, SIZE, dtype=np.float32)
    pixels = pixels + slope[0] * ramp[:, None] + slope[1] * ramp
    pixels = pixels + rng.normal(0, rng.uniform(0, 0.02), pixels.shape).astype(np.float32)
    image: npt.NDArray[np.uint8] = (np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(image.transpose(1, 2, 0))


def _blur(pixels: FloatArray, axis: int, weight: float) -> FloatArray:
    """Mix each pixel with its two neighbours along an axis, each with ``weight``."""
    width = [(0, 0)] * 3
    width[axis] = (1, 1)
    padded = np.pad(pixels, width, mode="edge")
    before, after = np.take(padded, range(SIZE), axis), np.take(padded, range(2, SIZE + 2), axis)
    return np.asarray(pixels + np.float32(weight) * (before + after - 2 * pixels), dtype=np.float32)
