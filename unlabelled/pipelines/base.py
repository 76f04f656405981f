"""What a data set asks to turn a file or a picture into a training sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from unlabelled.data.media.reader import Reader

if TYPE_CHECKING:
    from unlabelled.batch import Batch


class SamplePipeline(ABC):  # noqa: B024 -- its kinds differ in what they load
    """Makes tensors of one sample, in a worker, and finishes whole batches of them, on the training device.

    One object serves training and evaluation, so that the two cannot disagree about sizes or sample rates.
    A method that needs other views of its data brings another class; the data modules do not change.
    """

    def finish(self, batch: Batch) -> Batch:
        """Return the batch as the method wants it, after what is cheaper for many samples at once.

        Depends on nothing but the batch: pixels that are still uint8 become float32 and normalised, and raw
        ``views`` get the random changes that were drawn for them under ``augmentations``. The default is for
        views whose samples are complete when they leave the worker: it returns the batch as it is.
        """
        return batch

    def pixels(self, images: Tensor) -> Tensor:
        """Return normalised pictures ``(B, 3, H, W)`` as uint8 to look at.

        The default knows of no normalisation and stretches each picture from its darkest to its brightest.
        """
        flat = images.flatten(1)
        low, high = (bound[:, None, None, None] for bound in (flat.amin(1), flat.amax(1)))
        return ((images - low) / (high - low).clamp(min=1e-6)).mul(255).round().to(torch.uint8)


class ClipPipeline(SamplePipeline):
    """Decides which seconds of a clip to read, reads them and makes tensors of them."""

    @property
    @abstractmethod
    def seconds(self) -> float:
        """How long a file must be, at least."""

    @property
    @abstractmethod
    def needs_video(self) -> bool:
        """Whether a file without pictures is of no use."""

    @property
    @abstractmethod
    def needs_audio(self) -> bool:
        """Whether a file without sound is of no use."""

    @abstractmethod
    def load(
        self, reader: Reader, path: str, duration: float, rng: np.random.Generator, train: bool
    ) -> dict[str, Any]:
        """Return the tensors of one sample.

        Args:
            reader: Decodes the file.
            path: The file.
            duration: Its length in seconds.
            rng: All randomness of the sample comes from here.
            train: Random augmentation, or the one fixed view for evaluation.

        Raises:
            DecodeError: The file cannot be read.
        """


class ImagePipeline(SamplePipeline):
    """Makes tensors of a decoded picture."""

    @abstractmethod
    def load(self, image: Tensor, rng: np.random.Generator, train: bool) -> dict[str, Any]:
        """Return the tensors of one sample.

        Args:
            image: ``(3, H, W)`` uint8.
            rng: All randomness of the sample comes from here.
            train: Random augmentation, or the one fixed view for evaluation.
        """
