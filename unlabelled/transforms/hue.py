"""Hue of uint8 frames: torchvision's ``adjust_hue``, bit for bit, in NumPy.

The frames of a clip are small, so the time is that of starting some seventy operations of torchvision, not
that of the arithmetic; here there are fewer, which work on whole channels and in place.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_TO_UINT8 = np.float32(255.999)  # torchvision's factor for uint8, of which the fraction is cut off
_BELOW_ALL = np.float32(1 / 512)  # below each difference of two values of uint8 frames that is not zero

# Sectors of the hue (sixths of the circle) in which red, green and blue are the value (two sectors), falling
# and rising. In the two others they are the lowest level.
_LEVELS = (((0, 5), 1, 4), ((1, 2), 3, 0), ((3, 4), 5, 2))


def shift_frame_hue(frames: Tensor, shift: float) -> Tensor:
    """Shift the hue of frames ``(T, 3, H, W)`` uint8 by a share of the whole circle, from -0.5 to 0.5.

    The result is that of ``torchvision.transforms.v2.functional.adjust_hue``.

    Example:
        >>> red = torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1)
        >>> shift_frame_hue(red, 1 / 3).flatten().tolist()
        [0, 255, 0]
    """
    channels = frames.transpose(0, 1).contiguous().numpy()
    return torch.from_numpy(_shifted(channels, np.float32(shift))).transpose(0, 1)


def _shifted(channels: NDArray[np.uint8], shift: np.float32) -> NDArray[np.uint8]:
    """Shift the hue of ``(3, ...)``."""
    pixels = channels * np.float32(1 / 255)
    sector, fraction, saturation, value = _hsv(pixels, shift)
    low, falling, rising = _levels(fraction, saturation, value)
    value *= _TO_UINT8
    levels = [level - low for level in (value.astype(np.uint8), falling, rising)]
    inside = [(sector == number).view(np.uint8) for number in range(6)]
    inside[0] |= sector == 6
    shifted = np.empty_like(channels)
    for channel, ((first, second), falls, rises) in zip(shifted, _LEVELS, strict=True):
        # Products of uint8 and their sums, which wrap around, are faster than a choice by masks.
        np.multiply(levels[0], inside[first] | inside[second], out=channel)
        channel += levels[1] * inside[falls]
        channel += levels[2] * inside[rises]
        channel += low
    return shifted


def _hsv(
    pixels: NDArray[np.float32], shift: np.float32
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the sector of the shifted hue, from 0 to 6, the position in it, the saturation and the value.

    Each operation is one of torchvision's, in its order, so that rounding is the same; those of grey pixels,
    whose chroma is 0, have another divisor.
    """
    red, green, blue = pixels
    value = np.maximum(np.maximum(red, green), blue)
    chroma = value - np.minimum(np.minimum(red, green), blue)
    saturation = chroma / np.maximum(value, _BELOW_ALL)
    below = value - pixels
    below /= np.maximum(chroma, _BELOW_ALL)
    r, g, b = below
    hue = np.where(value == red, b - g, np.where(value == green, r + 2 - b, g + 4 - r))
    hue *= np.float32(1 / 6)
    hue += 1
    hue -= np.floor(hue)
    hue += shift
    hue -= np.floor(hue)
    hue *= 6
    sector = np.floor(hue)
    return sector.astype(np.uint8), hue - sector, saturation, value


def _levels(
    fraction: NDArray[np.float32], saturation: NDArray[np.float32], value: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], ...]:
    """Return the lowest level of a channel, the one that falls within a sector and the one that rises."""
    part, rest = saturation * fraction, 1 - saturation
    low, falling, rising = rest * value, (1 - part) * value, (part + rest) * value
    for level in (low, falling, rising):
        level *= _TO_UINT8
    return low.astype(np.uint8), falling.astype(np.uint8), rising.astype(np.uint8)
