"""Colours of a whole batch at once, each sample by its own amount, as torchvision changes those of one image.

``images`` are ``(B, 3, [T,] H, W)`` float in [0, 1] throughout, amounts ``(B,)``, one per clip.
"""

from __future__ import annotations

import torch
from torch import Tensor

BRIGHTNESS, CONTRAST, SATURATION = range(3)
_LUMA = (0.2989, 0.587, 0.114)


def per_sample(values: Tensor, images: Tensor) -> Tensor:
    """Give ``values (B,)`` as many dimensions as ``images``."""
    return values.view(-1, *[1] * (images.ndim - 1))


def luma(images: Tensor) -> Tensor:
    """Return the brightness ``(B, 1, [T,] H, W)`` that the eye sees."""
    red, green, blue = images.unbind(1)
    return red.mul(_LUMA[0]).add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2]).unsqueeze(1)


def to_grey(images: Tensor) -> Tensor:
    """Replace all three channels by their luma."""
    return luma(images).expand_as(images)


def adjust(images: Tensor, kind: Tensor, factor: Tensor) -> Tensor:
    """Blend each sample with a base of its own kind: ``clamp(factor x + (1 - factor) base)``.

    The base is black for brightness, the mean luma for contrast and the luma for saturation. The mean is that
    of each frame, as torchvision has it for ``(T, 3, H, W)``, not of the clip.

    Args:
        images: As above.
        kind: ``(B,)`` int64, which of the three.
        factor: ``(B,)`` at least 0; 1 changes nothing.
    """
    kind, factor, grey = per_sample(kind, images), per_sample(factor, images), luma(images)
    base = torch.where(kind == CONTRAST, grey.mean((-2, -1), keepdim=True), grey)
    base = base.masked_fill_(kind == BRIGHTNESS, 0.0)
    return images.mul(factor).addcmul_(base, 1 - factor).clamp_(0, 1)


def shift_hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turn every colour by ``shift (B,)`` of the whole circle, keeping HSV's saturation and value.

    With hue ``h`` in sixths, value ``v`` and chroma ``c``, channel ``n`` in (5, 3, 1) of HSV's inverse is
    ``v - c clamp(min(k, 4 - k), 0, 1)``, ``k = (n + h) mod 6``.
    """
    value, chroma = images.amax(1), images.amax(1) - images.amin(1)
    red, green, blue = images.unbind(1)
    divisor = torch.where(chroma > 0, chroma, 1.0)  # grey has any hue
    other = torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor)
    hue = torch.where(value == red, (green - blue) / divisor, other)
    turned = hue.add_(per_sample(6 * shift, hue))
    return torch.stack([_channel(turned, value, chroma, n) for n in (5, 3, 1)], dim=1)


def _channel(hue: Tensor, value: Tensor, chroma: Tensor, n: int) -> Tensor:
    place = (hue + n).remainder_(6)
    return value - torch.minimum(place, 4 - place).clamp_(0, 1).mul_(chroma)


def solarize(images: Tensor) -> Tensor:
    """Invert what is 0.5 or brighter."""
    return torch.where(images >= 0.5, 1 - images, images)
