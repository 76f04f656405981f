"""The last steps of pipelines, on batches: float32, augmentation, normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from unlabelled.pipelines.base import SamplePipeline
from unlabelled.transforms.augmentation import Augmentation, Parameters

if TYPE_CHECKING:
    from unlabelled.batch import Batch

# Dimension of the channels, counted from the end if a dimension of crops may follow that of the batch.
_CHANNELS = {"views": 1, "image": -3, "video": -4}


def finish_batch(
    batch: Batch, augmentations: Sequence[Augmentation], mean: Sequence[float], std: Sequence[float]
) -> Batch:
    """Return the batch with float32 pixels, augmented with the drawn parameters and normalised.

    Pixels of other types than uint8 were completed in a worker and do not change.

    Args:
        batch: uint8 ``views``, a list of ``(B, 3, [T,] H, W)``, or ``image (B, [V,] 3, H, W)`` or ``video
            (B, [V,] 3, T, H, W)``. ``augmentations``, if present: a list of parameters, one for each of
            ``views``, or one for the image or clip; removed from the result.
        augmentations: The augmentations that drew the parameters, in the same order.
        mean: Mean of red, green and blue, subtracted after division by 255.
        std: Standard deviation of red, green and blue, which divides the difference.
    """
    finished = dict(batch)
    drawn: list[Parameters] = finished.pop("augmentations", [])
    for key in _CHANNELS.keys() & finished.keys():
        pixels = finished[key] if key == "views" else [finished[key]]
        if pixels[0].dtype == torch.uint8:
            floats = _augment([_to_floats(raw) for raw in pixels], augmentations, drawn)
            done = [_normalise(images, _CHANNELS[key], mean, std) for images in floats]
            finished[key] = done if key == "views" else done[0]
    return finished


def finish_sample(pipeline: SamplePipeline, sample: dict[str, Any]) -> dict[str, Any]:
    """Return one sample of ``pipeline.load`` after ``pipeline.finish``, for completion in the worker."""
    finished = pipeline.finish(default_collate([sample]))
    return {
        key: [each[0] for each in value] if isinstance(value, list) else value[0]
        for key, value in finished.items()
    }


def _to_floats(pixels: Tensor) -> Tensor:
    return pixels.to(torch.float32).div_(255)


def _augment(
    images: list[Tensor], augmentations: Sequence[Augmentation], drawn: list[Parameters]
) -> list[Tensor]:
    if not drawn:
        return images
    with torch.autocast(images[0].device.type, enabled=False):
        return [
            augmentation.apply(batch, parameters)
            for batch, augmentation, parameters in zip(images, augmentations, drawn, strict=True)
        ]


def _normalise(images: Tensor, channels: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Normalise in place, channel by channel: the numbers need not be copied to the device first."""
    for channel in range(3):
        images.select(channels, channel).sub_(mean[channel]).div_(std[channel])
    return images.contiguous()
