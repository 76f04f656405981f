"""Pipelines of images: several views for contrastive methods, or one crop for classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from torch import Tensor

from unlabelled.pipelines.base import ImagePipeline
from unlabelled.pipelines.finish import finish_batch, finish_sample
from unlabelled.pipelines.fixed import FixedImage, Interpolation
from unlabelled.transforms.augmentation import Augmentation
from unlabelled.transforms.checks import check_normalisation, check_num_views, check_probability
from unlabelled.transforms.crops import AugmentedCrop, Crop

if TYPE_CHECKING:
    from unlabelled.batch import Batch

Channels = tuple[float, float, float]
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's

AugmentationDevice = Literal["batched", "workers"]
"""``batched``: on the training device, whole batches. ``workers``: in the workers, sample by sample."""


class ContrastiveImages(ImagePipeline):
    """Several random views of each image, for contrastive methods.

    Args:
        crops: The views; the first is the input of the target network. Sizes may differ, as in multi-crop.
        eval_size: Height and width in evaluation.
        eval_resize: Short side in evaluation before the central crop; ``null``: the whole image is scaled to
            ``eval_size`` x ``eval_size``.
        mean: Mean of red, green and blue, from 0 to 1; that of ImageNet by default.
        std: Standard deviation of red, green and blue.
        augment: Where augmentations are applied. ``batched`` (on the training device) is faster, ten times
            for small images; ``workers`` is for a device that is fully in use. The views are the same.

    Raises:
        ValueError: Fewer than two views, ``eval_resize`` below ``eval_size``, or ``std`` not positive.

    Source: SCE Table 1, appendices D.1 and D.2; docs/methods/sce.md#augmentations.
    """

    def __init__(
        self,
        crops: list[AugmentedCrop],
        eval_size: int,
        eval_resize: int | None = None,
        mean: Channels = _MEAN,
        std: Channels = _STD,
        augment: AugmentationDevice = "batched",
    ) -> None:
        check_num_views(self, "crops", len(crops))
        check_normalisation(self, mean, std)
        self.crops, self.mean, self.std, self.augment = crops, mean, std, augment
        self.fixed = FixedImage(type(self).__name__, eval_size, eval_resize)

    def load(self, image: Tensor, rng: np.random.Generator, train: bool) -> dict[str, Any]:
        """Return ``views``, uint8, and their ``augmentations``; in evaluation ``image``, uint8.

        With ``augment="workers"`` they are augmented and normalised, float32, without ``augmentations``.
        """
        sample = self._views(image, rng) if train else {"image": self.fixed(image)}
        return finish_sample(self, sample) if self.augment == "workers" else sample

    def finish(self, batch: Batch) -> Batch:
        """Augment and normalise; see :meth:`SamplePipeline.finish`."""
        return finish_batch(batch, [view.augmentation for view in self.crops], self.mean, self.std)

    def _views(self, image: Tensor, rng: np.random.Generator) -> dict[str, Any]:
        return {
            "views": [view.crop(image, rng) for view in self.crops],
            "augmentations": [view.augmentation.draw(rng) for view in self.crops],
        }


class LabelledImages(ImagePipeline):
    """One random crop of each image, flipped at random, for classifiers.

    Args:
        crop: Cuts the random crop.
        eval_size: See :class:`ContrastiveImages`.
        eval_resize: See :class:`ContrastiveImages`.
        mean: See :class:`ContrastiveImages`.
        std: See :class:`ContrastiveImages`.
        flip: Probability of a horizontal flip in training.
        augmentation: Further augmentation in training, as in SeLa; its own flip adds to ``flip``.
        eval_interpolation: How images are scaled in evaluation.

    Raises:
        ValueError: ``flip`` is no probability, ``eval_resize`` is below ``eval_size``, or ``std`` not
            positive.

    Source: SCE appendices D.1 and D.2; docs/methods/sce.md#linear-evaluation-on-images.
    """

    def __init__(
        self,
        crop: Crop,
        eval_size: int,
        eval_resize: int | None = None,
        mean: Channels = _MEAN,
        std: Channels = _STD,
        flip: float = 0.5,
        augmentation: Augmentation | None = None,
        eval_interpolation: Interpolation = "bilinear",
    ) -> None:
        check_probability(self, flip=flip)
        check_normalisation(self, mean, std)
        self.crop, self.mean, self.std = crop, mean, std
        self.flip, self.augmentation = flip, augmentation
        self.fixed = FixedImage(type(self).__name__, eval_size, eval_resize, eval_interpolation)

    def load(self, image: Tensor, rng: np.random.Generator, train: bool) -> dict[str, Any]:
        """Return ``image (3, size, size)`` uint8, and ``augmentations`` if an augmentation is set."""
        if not train:
            return {"image": self.fixed(image)}
        window = self.crop(image, rng)
        flipped = window.flip(-1) if rng.random() < self.flip else window.contiguous()
        sample: dict[str, Any] = {"image": flipped}
        if self.augmentation is not None:
            sample["augmentations"] = [self.augmentation.draw(rng)]
        return sample

    def finish(self, batch: Batch) -> Batch:
        """Augment and normalise; see :meth:`SamplePipeline.finish`."""
        augmentations = [] if self.augmentation is None else [self.augmentation]
        return finish_batch(batch, augmentations, self.mean, self.std)
