"""Base class of figures of held-out clips, and the images of clips."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from callbacks.shared.batches import datamodule, not_replaced
from callbacks.shared.evaluation_times import EvaluationTimes
from callbacks.shared.rows import LABEL, RowCollection
from unlabelled.batch import Batch
from unlabelled.contracts import ReadsClips
from unlabelled.encoders.base import MODALITY_NDIM
from unlabelled.transforms.clip_transforms import denormalise

IMAGE = "image"
_SIDE = 128  # pixels of the longer side, about as many as in the figures


class ClipFigures(Callback, ABC):
    """Draw held-out clips of rank 0, at the end of ``test`` and every few epochs of ``fit``.

    Args:
        every_n_epochs: Epochs between two sets of figures in ``fit``, whose last epoch is drawn too.
        max_clips: Largest number of clips, which are evenly spread over the data set.

    Raises:
        ValueError: A number is below 1.
    """

    def __init__(self, every_n_epochs: int = 10, max_clips: int = 2000) -> None:
        self.times = EvaluationTimes(self, every_n_epochs, last_epoch=True)
        if max_clips < 1:
            raise ValueError(f"{type(self).__name__}: max_clips={max_clips} must be at least 1")
        self.max_clips = max_clips
        self._clips = RowCollection(type(self).__name__)
        self._batch_size = 1

    @abstractmethod
    def select(self, pl_module: LightningModule, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """Return the outputs to store of a batch, by name, each ``(B, ...)``."""

    @abstractmethod
    def draw(self, trainer: Trainer, pl_module: LightningModule, clips: dict[str, Tensor]) -> None:
        """Publish the figures.

        Args:
            trainer: The trainer of the run.
            pl_module: The method.
            clips: ``label (n,)``, ``image (n, 3, h, w)`` uint8 unless the clips are audio alone, and the
                outputs of :meth:`select`; on the CPU.
        """

    def ready(self, pl_module: LightningModule) -> bool:
        """Return whether the method can be drawn yet."""
        return True

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the clips."""
        self._clips = RowCollection(type(self).__name__, torch.device("cpu"))

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Store some clips of a batch."""
        if not trainer.is_global_zero or not self.times.is_now(trainer) or not self.ready(pl_module):
            return
        keep = not_replaced(batch) & self._sampled(trainer, batch, batch_idx)
        columns = self.select(pl_module, outputs, batch)
        images = clip_images(trainer, batch)
        if images is not None:
            columns[IMAGE] = images
        self._clips.add(batch, columns, keep)

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the stored clips."""
        if self._clips.is_empty:
            return
        clips = self._clips.finish().columns
        if len(clips[LABEL]):
            self.draw(trainer, pl_module, clips)

    on_test_epoch_end = on_validation_epoch_end

    def _sampled(self, trainer: Trainer, batch: Batch, batch_idx: int) -> Tensor:
        """Return the mask ``(B,)`` of clips to store; evenly spread, as splits may be sorted by class."""
        batches = trainer.num_test_batches if trainer.testing else trainer.num_val_batches
        label = batch["label"]
        if batch_idx == 0:
            self._batch_size = len(label)  # the last batch may be smaller
        every = max(1, math.ceil(int(batches[0]) * self._batch_size / self.max_clips))
        number = torch.arange(len(label), device=label.device) + batch_idx * self._batch_size
        return number % every == 0


def clip_images(trainer: Trainer, batch: Batch) -> Tensor | None:
    """Return a small image of each clip ``(B, 3, h, w)`` uint8; None if the clips are audio alone.

    It is the ``image`` of the clip or the middle frame of its ``video``; of several crops the middle one.
    """
    if "image" in batch:
        return _small(to_pixels(trainer, _one_crop(batch, "image")))
    if "video" in batch:
        video = _one_crop(batch, "video")
        pipeline = getattr(datamodule(trainer), "active_pipeline", None)
        colours = {name: getattr(pipeline, name) for name in ("mean", "std") if hasattr(pipeline, name)}
        middle = video.shape[2] // 2
        return _small(denormalise(video[:, :, middle : middle + 1].float(), **colours).squeeze(2))
    return None


def to_pixels(trainer: Trainer, images: Tensor) -> Tensor:
    """Convert normalised images ``(B, 3, H, W)`` to uint8, by the pipeline that made them."""
    data = datamodule(trainer)
    if isinstance(data, ReadsClips):
        return data.active_pipeline.pixels(images.float())
    return images.float().clamp(0, 1).mul(255).to(torch.uint8)


def _one_crop(batch: Batch, name: str) -> Tensor:
    inputs: Tensor = batch[name]
    return inputs if inputs.ndim == MODALITY_NDIM[name] else inputs[:, inputs.shape[1] // 2]


def _small(pixels: Tensor) -> Tensor:
    height, width = pixels.shape[-2:]
    if (longer := max(height, width)) <= _SIDE:
        return pixels
    size = [max(1, round(side * _SIDE / longer)) for side in (height, width)]
    resized: Tensor = TF.resize(pixels, size, antialias=True)
    return resized
