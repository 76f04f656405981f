"""Pipeline of images with boxes and masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from unlabelled.pipelines.base import SamplePipeline
from unlabelled.transforms.checks import check_probability

if TYPE_CHECKING:
    from unlabelled.batch import Batch


class DetectionImages(SamplePipeline):
    """Whole images with boxes and masks, flipped at random; the detector scales and normalises them.

    Args:
        flip: Probability of a horizontal flip in training.

    Raises:
        ValueError: ``flip`` is no probability.
    """

    def __init__(self, flip: float = 0.5) -> None:
        check_probability(self, flip=flip)
        self.flip = flip

    def load(
        self, image: Tensor, target: dict[str, Tensor], rng: np.random.Generator, train: bool
    ) -> dict[str, Any]:
        """Return ``image (3, H, W)`` uint8 and ``target``, with ``boxes`` and ``masks``."""
        if not train or rng.random() >= self.flip:
            return {"image": image, "target": target}
        boxes, width = target["boxes"].clone(), image.shape[-1]
        boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
        return {
            "image": image.flip(-1),
            "target": {**target, "boxes": boxes, "masks": target["masks"].flip(-1)},
        }

    def finish(self, batch: Batch) -> Batch:
        """Map pixels to numbers from 0 to 1."""
        return {**batch, "image": [image.float() / 255 for image in batch["image"]]}
