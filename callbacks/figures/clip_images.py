"""A picture of each clip of a batch, to look at."""

from __future__ import annotations

import torch
from lightning import Trainer
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from callbacks.shared.batches import datamodule
from unlabelled.batch import Batch
from unlabelled.contracts import ReadsClips
from unlabelled.encoders.base import MODALITY_NDIM
from unlabelled.transforms.clip_transforms import denormalise

_SIDE = 128  # pixels of the longer side; figures show about as many


def frames(trainer: Trainer, batch: Batch) -> Tensor | None:
    """Return a small picture of each clip ``(B, 3, h, w)`` uint8; None where there are sounds alone.

    It is the clip's ``image`` or the middle of its ``video``; of several views the middle one.
    """
    if "image" in batch:
        return _small(to_pixels(trainer, _one_crop(batch, "image")))
    if "video" in batch:
        video = _one_crop(batch, "video")
        return _small(denormalise(video[:, :, video.shape[2] // 2].float()))
    return None


def to_pixels(trainer: Trainer, images: Tensor) -> Tensor:
    """Return normalised images ``(B, 3, H, W)`` as uint8, by the view that made them."""
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
