"""Colour transforms of batches with one amount per sample, equal to torchvision's transforms of one image.

``images`` are ``(B, 3, [T,] H, W)`` float in [0, 1], amounts ``(B,)``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.transforms.clip_transforms import MEAN, STD

BRIGHTNESS, CONTRAST, SATURATION = range(3)
_LUMA = (0.2989, 0.587, 0.114)


def per_sample(values: Tensor, images: Tensor) -> Tensor:
    """Return ``values (B,)`` with as many dimensions as ``images``."""
    return values.view(-1, *[1] * (images.ndim - 1))


def luma(images: Tensor) -> Tensor:
    """Return the luma ``(B, 1, [T,] H, W)``, a weighted sum of the channels."""
    red, green, blue = images.unbind(1)
    return red.mul(_LUMA[0]).add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2]).unsqueeze(1)


def to_grey(images: Tensor) -> Tensor:
    """Replace all three channels by their luma."""
    return luma(images).expand_as(images)


def adjust(images: Tensor, kind: Tensor, factor: Tensor) -> Tensor:
    """Blend each sample with the base of its ``kind``: ``clamp(factor x + (1 - factor) base)``.

    The base is black for brightness, the mean luma for contrast and the luma for saturation. The mean is that
    of each frame, as in torchvision for ``(T, 3, H, W)``, not of the clip.

    Args:
        images: ``(B, 3, [T,] H, W)`` float in [0, 1].
        kind: ``(B,)`` int64: brightness 0, contrast 1, saturation 2.
        factor: ``(B,)``, at least 0; 1: no change.
    """
    kind, factor, grey = per_sample(kind, images), per_sample(factor, images), luma(images)
    base = torch.where(kind == CONTRAST, grey.mean((-2, -1), keepdim=True), grey)
    base = base.masked_fill_(kind == BRIGHTNESS, 0.0)
    return images.mul(factor).addcmul_(base, 1 - factor).clamp_(0, 1)


def shift_hue(images: Tensor, shift: Tensor) -> Tensor:
    """Shift the hue by ``shift (B,)`` of the whole circle, with the same saturation and value of HSV.

    With hue ``h`` in sixths, value ``v`` and chroma ``c``, channel ``n`` in (5, 3, 1) of HSV's inverse is
    ``v - c clamp(min(k, 4 - k), 0, 1)``, ``k = (n + h) mod 6``.
    """
    value, chroma = images.amax(1), images.amax(1) - images.amin(1)
    red, green, blue = images.unbind(1)
    divisor = torch.where(chroma > 0, chroma, 1.0)  # the hue of grey is undefined
    other = torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor)
    hue = torch.where(value == red, (green - blue) / divisor, other)
    turned = hue.add_(per_sample(6 * shift, hue))
    return torch.stack([_channel(turned, value, chroma, n) for n in (5, 3, 1)], dim=1)


def _channel(hue: Tensor, value: Tensor, chroma: Tensor, n: int) -> Tensor:
    position = (hue + n).remainder_(6)
    return value - torch.minimum(position, 4 - position).clamp_(0, 1).mul_(chroma)


def solarize(images: Tensor) -> Tensor:
    """Invert values of 0.5 or more."""
    return torch.where(images >= 0.5, 1 - images, images)


def shift_colours(images: Tensor, numbers: Tensor) -> Tensor:
    """Change the contrast of each sample and the level of each of its channels.

    The same as :func:`~unlabelled.transforms.clip_transforms.shift_colours`, for pixels before normalisation.

    Args:
        images: ``(B, 3, [T,] H, W)`` in 0 to 1; values of the result may lie outside.
        numbers: ``(B, 4)``: change of contrast, and change of the level of red, green and blue.
    """
    ones = [1] * (images.ndim - 2)
    contrast, levels = 1 + numbers[:, :1].view(-1, 1, *ones), numbers[:, 1:].view(-1, 3, *ones)
    return MEAN + (images - MEAN) * contrast + STD * levels
