"""Random crop and colour augmentation of single frames, as in L3-Net."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from unlabelled.transforms.augmentation import Augmentation, Parameters, where
from unlabelled.transforms.checks import check_at_least, check_probability
from unlabelled.transforms.clip_transforms import random_crop
from unlabelled.transforms.colour import SATURATION, adjust, per_sample
from unlabelled.transforms.crops import Crop


class ResizedCrop(Crop):
    """Random crop of fixed size of the scaled image.

    Args:
        size: Height and width of the crop.
        resize: Side of the scaled image.
        stretch: Scale to ``resize`` x ``resize``, as in evaluation; otherwise scale the short side to
            ``resize``.

    Raises:
        ValueError: ``size`` is below 1 or exceeds ``resize``.

    Source: Arandjelovic and Zisserman 2017; marl/l3embedding, data/avc/sample.py (256 and 224);
        docs/methods/dmc.md#input.
    """

    def __init__(self, size: int = 224, resize: int = 256, stretch: bool = False) -> None:
        check_at_least(self, 1, size=size)
        check_at_least(self, size, resize=resize)
        self.size, self.resize, self.stretch = size, resize, stretch

    def __call__(self, frames: Tensor, rng: np.random.Generator) -> Tensor:
        """Return ``(..., 3, size, size)`` uint8, bilinear with antialiasing."""
        sides = [self.resize, self.resize] if self.stretch else [self.resize]
        return random_crop(TF.resize(frames, sides, antialias=True), self.size, rng)


class L3Colours(Augmentation):
    """Saturation and brightness in random order, then a flip, as in L3-Net.

    Brightness is a shift, not a factor as in :class:`Augmentation`.

    Args:
        saturation: Factors are drawn from ``max(0, 1 - x)`` to ``1 + x``.
        brightness: The shift is drawn from ``-x`` to ``x``, where 1 is white.
        flip: Probability of a horizontal flip.

    Raises:
        ValueError: A probability outside 0 to 1, or a negative strength.

    Source: marl/l3embedding, data/avc/sample.py; docs/methods/dmc.md#input.
    """

    def __init__(self, saturation: float = 0.5, brightness: float = 32 / 255, flip: float = 0.5) -> None:
        check_probability(self, flip=flip)
        check_at_least(self, 0, saturation=saturation, brightness=brightness)
        self.saturation, self.brightness, self.flip = saturation, brightness, flip

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Return the scalars ``factor``, ``shift``, ``saturation_first`` and ``flip`` of one sample."""
        factor = rng.uniform(max(0.0, 1 - self.saturation), 1 + self.saturation)
        shift = rng.uniform(-self.brightness, self.brightness)
        return {
            "factor": torch.tensor(factor, dtype=torch.float32),
            "shift": torch.tensor(shift, dtype=torch.float32),
            "saturation_first": torch.tensor(bool(rng.random() < 0.5)),
            "flip": torch.tensor(bool(rng.random() < self.flip)),
        }

    def _apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        images, first = images.clone(), parameters["saturation_first"]
        images = where(first, images, self._saturate, parameters["factor"])
        images = (images + per_sample(parameters["shift"], images)).clamp_(0, 1)
        images = where(~first, images, self._saturate, parameters["factor"])
        return where(parameters["flip"], images, lambda chosen: chosen.flip(-1))

    def _saturate(self, images: Tensor, factor: Tensor) -> Tensor:
        return adjust(images, torch.full_like(factor, SATURATION, dtype=torch.int64), factor)
