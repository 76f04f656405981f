"""Spatial transforms of decoded clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from unlabelled.transforms.hue import shift_frame_hue

MEAN, STD = 0.45, 0.225  # constants of facebookresearch/selavi, not statistics of a data set
Colours = Sequence[float]
"""A number for each of red, green and blue."""


def random_crop(frames: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    """Cut a window of ``size`` x ``size`` out of frames ``(T, 3, H, W)``, every offset equally likely."""
    top = int(rng.integers(0, frames.shape[-2] - size, endpoint=True))
    left = int(rng.integers(0, frames.shape[-1] - size, endpoint=True))
    window: Tensor = TF.crop(frames, top, left, size, size)
    return window


def centre_crop(frames: Tensor, size: int) -> Tensor:
    """Cut the middle window of ``size`` x ``size`` out of frames ``(T, 3, H, W)``."""
    top, left = (
        -(-(side - size) // 2) for side in frames.shape[-2:]
    )  # rounded up, as in facebookresearch/selavi
    window: Tensor = TF.crop(frames, top, left, size, size)
    return window


def jitter_colours(frames: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Change brightness, contrast, saturation and hue, in random order, equally in all frames of a clip.

    Args:
        frames: ``(T, 3, H, W)`` uint8.
        strength: 0 to 1; factors are drawn from ``1 - strength`` to ``1 + strength``, the shift of
            the hue from minus to plus a quarter of it. facebookresearch/selavi, whose recipes do not use it,
            has 0.4 and no change of the hue.
        rng: Source of the amounts and the order.
    """
    adjust = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation, shift_frame_hue)
    amounts = [*rng.uniform(1 - strength, 1 + strength, 3), rng.uniform(-strength / 4, strength / 4)]
    frames = frames.transpose(0, 1).contiguous().transpose(0, 1)  # whole channels are faster to work on
    for step in rng.permutation(len(adjust)):
        frames = adjust[step](frames, float(amounts[step]))
    return frames


def shift_colours(clip: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Change the contrast of a clip and the level of each channel, equally in all frames.

    The clip is multiplied by ``1 + strength * n`` and ``strength * n`` is added to each channel, with another
    standard normal number n each time. Other than by :func:`jitter_colours`, hardly any clip loses its
    contrast.

    Args:
        clip: ``(3, T, H, W)``, as :func:`normalise` returns it.
        strength: 0 or more; 0.3 is moderate.
        rng: Source of the four numbers.
    """
    contrast, *levels = 1 + strength * rng.standard_normal(), *(strength * rng.standard_normal(3))
    return clip * float(contrast) + clip.new_tensor(levels).view(3, 1, 1, 1)


def to_greyscale(frames: Tensor) -> Tensor:
    """Replace all three channels of uint8 frames ``(T, 3, H, W)`` by their luma."""
    grey: Tensor = TF.rgb_to_grayscale(frames, num_output_channels=3)
    return grey


def normalise(frames: Tensor, mean: Colours = (MEAN,) * 3, std: Colours = (STD,) * 3) -> Tensor:
    """Map uint8 frames ``(T, 3, H, W)`` to a float32 clip ``(3, T, H, W)``: ``(x / 255 - mean) / std``.

    Example:
        >>> normalise(torch.zeros(2, 3, 4, 5, dtype=torch.uint8)).shape
        torch.Size([3, 2, 4, 5])
    """
    clip = frames.transpose(0, 1).contiguous().to(torch.float32)  # bytes are moved faster than floats
    return clip.div_(255).sub_(_channels(mean)).div_(_channels(std))


def denormalise(clip: Tensor, mean: Colours = (MEAN,) * 3, std: Colours = (STD,) * 3) -> Tensor:
    """Undo :func:`normalise` of clips ``(..., 3, T, H, W)`` up to rounding: float to uint8."""
    pixels = clip * _channels(std).to(clip) + _channels(mean).to(clip)
    return pixels.mul(255).round().clamp(0, 255).to(torch.uint8)


def darken(clips: Tensor, factor: float, mean: Colours = (MEAN,) * 3, std: Colours = (STD,) * 3) -> Tensor:
    """Multiply the pixels of normalised clips ``(..., 3, T, H, W)`` by ``factor``; 1: unchanged, 0: black.

    Example:
        >>> grey = normalise(torch.full((1, 3, 1, 1), 200, dtype=torch.uint8))
        >>> denormalise(darken(grey, 0.5)).unique().tolist()
        [100]
    """
    level = (_channels(mean) / _channels(std)).to(clips)
    return clips * factor + (factor - 1) * level


def _channels(values: Colours) -> Tensor:
    """Return a number per channel as ``(3, 1, 1, 1)``."""
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1)


def compress(clips: Tensor, side: int) -> Tensor:
    """Degrade clips ``(batch, 3, T, H, W)``: nearest neighbour down to ``side`` x ``side`` and up again.

    Source: SeLaVi appendix A.5.
    """
    height, width = clips.shape[-2:]
    flat = clips.flatten(0, 2).unsqueeze(1)
    small = F.interpolate(flat, size=(side, side), mode="nearest")
    return F.interpolate(small, size=(height, width), mode="nearest").view_as(clips)
