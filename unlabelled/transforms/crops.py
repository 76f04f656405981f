"""Random crops of images and clips, scaled to the input size of the encoder."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from unlabelled.transforms.augmentation import Augmentation
from unlabelled.transforms.checks import check_at_least, check_range
from unlabelled.transforms.clip_transforms import random_crop

_ATTEMPTS = 10  # as in torchvision, before the central crop is taken

Box = tuple[int, int, int, int]
"""Top, left, height, width."""


class Crop(ABC):
    """A random crop, the same in all frames of a clip."""

    @abstractmethod
    def __call__(self, frames: Tensor, rng: np.random.Generator) -> Tensor:
        """Return ``(..., 3, size, size)`` uint8 of ``frames (..., 3, H, W)`` uint8."""


class RandomResizedCrop(Crop):
    """A crop of random area and aspect ratio, scaled to a square, as in torchvision.

    Args:
        size: Height and width of the result.
        scale: Smallest and largest fraction of the area of the image.
        ratio: Smallest and largest width over height; its logarithm is uniform.

    Raises:
        ValueError: ``size`` is below 1, or a range is not positive and ascending, or ``scale`` exceeds 1.
    """

    def __init__(
        self, size: int, scale: tuple[float, float] = (0.2, 1.0), ratio: tuple[float, float] = (3 / 4, 4 / 3)
    ) -> None:
        check_at_least(self, 1, size=size)
        check_range(self, scale=scale, ratio=ratio)
        if scale[1] > 1:
            raise ValueError(f"RandomResizedCrop: scale={list(scale)} cannot exceed 1, the whole image")
        self.size, self.scale, self.ratio = size, scale, ratio

    def __call__(self, frames: Tensor, rng: np.random.Generator) -> Tensor:
        """Return ``(..., 3, size, size)`` uint8, bilinear with antialiasing."""
        box = self.box(frames.shape[-2], frames.shape[-1], rng)
        window: Tensor = TF.resized_crop(frames, *box, [self.size, self.size], antialias=True)
        return window

    def box(self, height: int, width: int, rng: np.random.Generator) -> Box:
        """Draw a crop of an image of ``height`` x ``width``."""
        for _ in range(_ATTEMPTS):
            area = height * width * rng.uniform(*self.scale)
            ratio = math.exp(rng.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < wide <= width and 0 < high <= height:
                top = int(rng.integers(0, height - high, endpoint=True))
                left = int(rng.integers(0, width - wide, endpoint=True))
                return top, left, high, wide
        return self._middle(height, width)

    def _middle(self, height: int, width: int) -> Box:
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        wide, high = min(width, round(height * ratio)), min(height, round(width / ratio))
        return (height - high) // 2, (width - wide) // 2, high, wide


class PaddedCrop(Crop):
    """A crop of fixed size from the image, padded with black.

    Args:
        size: Height and width of the crop.
        padding: Pixels added on every side.

    Raises:
        ValueError: ``size`` is below 1 or ``padding`` below 0; when called: an image is smaller than the
            crop.
    """

    def __init__(self, size: int, padding: int = 4) -> None:
        check_at_least(self, 1, size=size)
        check_at_least(self, 0, padding=padding)
        self.size, self.padding = size, padding

    def __call__(self, frames: Tensor, rng: np.random.Generator) -> Tensor:
        """Return ``(..., 3, size, size)`` uint8."""
        padded = TF.pad(frames, [self.padding])
        if min(padded.shape[-2:]) < self.size:
            raise ValueError(
                f"PaddedCrop: an image of {frames.shape[-1]}x{frames.shape[-2]} pixels with padding="
                f"{self.padding} is smaller than size={self.size}; scale it up, lower size, or use "
                "RandomResizedCrop"
            )
        return random_crop(padded, self.size, rng)


@dataclass(frozen=True)
class AugmentedCrop:
    """One view of an image: a crop and an augmentation.

    Args:
        crop: Random crop.
        augmentation: Augmentation of the crop.
    """

    crop: Crop
    augmentation: Augmentation
