"""The frames of a composed clip: images that move over a background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.data.synthetic.composed.base import FloatArray, Style
from unlabelled.data.synthetic.composed.motion import path
from unlabelled.data.synthetic.embedded.backgrounds import TEXTURES, draw_texture
from unlabelled.data.synthetic.embedded.colours import colour

_CHUNK = 32  # frames rendered at a time
_MARGIN = 0.15  # of the background, beyond each side of the frame


@dataclass(frozen=True)
class Placement:
    """Places of the image at n times: centre and side in pixels, rotation in radians, each ``(n,)``."""

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    side: npt.NDArray[np.float64]
    angle: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sprite:
    """An image ``(4, height, width)`` in motion: red, green, blue, opacity, and its places."""

    image: FloatArray
    placement: Placement


def place(
    rng: np.random.Generator, style: Style, size: tuple[int, int], times: npt.NDArray[np.float64]
) -> Placement:
    """Draw the placement at ``times (n,)``; the image stays in the frame if it is smaller than that."""
    width, height = size

    def draw(low: float, high: float) -> npt.NDArray[np.float64]:
        return path(rng, times, (low, high), style.turning_points)

    side = draw(*style.scale) * min(width, height)
    x, y = (
        extent / 2 + draw(-style.roam, style.roam) * np.maximum(np.abs(extent - side) / 2, 0)
        for extent in (width, height)
    )
    return Placement(x, y, side, draw(-style.tilt, style.tilt))


def render(
    rng: np.random.Generator, sprites: Sequence[Sprite], style: Style, size: tuple[int, int]
) -> list[npt.NDArray[np.uint8]]:
    """Return frames ``(height, width, 3)`` uint8, one for each time of the placements.

    Args:
        rng: Draws the background, its motion and the grain.
        sprites: Images from the rearmost one to that in front.
        style: Of the set.
        size: Width and height.
    """
    background = _draw_background(rng, style, size)  # (3, h, w), larger than the frame
    count = len(sprites[0].placement.x)
    pan = np.stack([path(rng, np.arange(count) / 12, (-1, 1), style.turning_points) for _ in range(2)])
    gain, grain = rng.uniform(0.75, 1.1), rng.uniform(*style.grain)
    noise = np.random.default_rng(rng.integers(2**63))
    frames: list[npt.NDArray[np.uint8]] = []
    for start in range(0, count, _CHUNK):
        rows = slice(start, min(start + _CHUNK, count))
        mixed = _shift(background, torch.from_numpy(pan[:, rows]).float(), size)
        for sprite in sprites:
            front = warp(sprite, rows, size)  # (n, 4, h, w)
            mixed = mixed + front[:, 3:] * (front[:, :3] - mixed)
        pixels = mixed.numpy() * np.float32(gain)
        pixels += np.float32(grain) * noise.standard_normal(pixels.shape, dtype=np.float32)
        frames += list((pixels.clip(0, 1) * 255 + 0.5).astype(np.uint8).transpose(0, 2, 3, 1))
    return [np.ascontiguousarray(frame) for frame in frames]


def box(image: FloatArray, placement: Placement, index: int, size: tuple[int, int]) -> tuple[float, ...]:
    """Return the box of the visible part of the image at one time, as fractions of the frame."""
    rows, columns = (np.flatnonzero(image[3].max(axis) > 0.5) for axis in (1, 0))
    height, width = image.shape[1:]
    xs = np.array([columns[0], columns[-1] + 1]) / width - 0.5
    ys = np.array([rows[0], rows[-1] + 1]) / height - 0.5
    corners = np.array([(x, y) for x in xs for y in ys]) * placement.side[index]
    cos, sin = np.cos(placement.angle[index]), np.sin(placement.angle[index])
    across = placement.x[index] + corners @ (cos, -sin)
    down = placement.y[index] + corners @ (sin, cos)
    edges = (across.min() / size[0], down.min() / size[1], across.max() / size[0], down.max() / size[1])
    return tuple(float(np.clip(edge, 0, 1)) for edge in edges)


def _draw_background(rng: np.random.Generator, style: Style, size: tuple[int, int]) -> Tensor:
    width, height = (round(side * (1 + 2 * _MARGIN)) for side in size)
    mix = draw_texture(rng, TEXTURES[int(rng.integers(len(TEXTURES)))], width, height)
    low, high = (0, 0, style.luma[0]), (1, 0.6, style.luma[1])
    first, second = (colour(h, s, v) for h, s, v in rng.uniform(low, high, (2, 3)))
    second = first + np.float32(rng.uniform(*style.contrast)) * (second - first)
    pixels = first[:, None, None] + (second - first)[:, None, None] * mix
    return torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32))


def _shift(background: Tensor, pan: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the windows ``(n, 3, height, width)`` of a background at ``pan (2, n)`` in -1 to 1."""
    scale = 1 / (1 + 2 * _MARGIN)
    matrices = torch.zeros(pan.shape[1], 2, 3)
    matrices[:, 0, 0] = matrices[:, 1, 1] = scale
    matrices[:, :, 2] = (pan * (1 - scale)).T
    grid = F.affine_grid(matrices, [len(matrices), 3, size[1], size[0]], align_corners=False)
    return F.grid_sample(background.expand(len(matrices), -1, -1, -1), grid, align_corners=False)


def warp(sprite: Sprite, rows: slice, size: tuple[int, int]) -> Tensor:
    """Return the image in the frames ``(n, 4, height, width)``, transparent around it."""
    (width, height), placement = size, sprite.placement
    x, y, side, angle = (
        torch.from_numpy(values[rows])
        for values in (placement.x, placement.y, placement.side, placement.angle)
    )
    cos, sin = angle.cos(), angle.sin()
    # From frame coordinates in -1 to 1 to the image's: undo the shift, the rotation and the scale.
    matrices = torch.zeros(len(x), 2, 3, dtype=torch.float64)
    matrices[:, 0, 0], matrices[:, 0, 1] = cos * width / side, sin * height / side
    matrices[:, 1, 0], matrices[:, 1, 1] = -sin * width / side, cos * height / side
    shift_x, shift_y = width - 2 * x, height - 2 * y
    matrices[:, 0, 2] = (cos * shift_x + sin * shift_y) / side
    matrices[:, 1, 2] = (-sin * shift_x + cos * shift_y) / side
    grid = F.affine_grid(matrices.float(), [len(x), 4, height, width], align_corners=False)
    image = torch.from_numpy(sprite.image).expand(len(x), -1, -1, -1)
    return F.grid_sample(image, grid, align_corners=False)
