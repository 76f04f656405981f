"""Simple statistics of the inputs of a batch, which a clustering might follow in place of their content."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.batch import Batch
from unlabelled.encoders.base import MODALITY_NDIM

_VISUAL = ("video", "image")
_MASK = "_mask"


def input_statistics(batch: Batch) -> dict[str, dict[str, Tensor]]:
    """Return simple statistics of each sample by modality and by name, ``(B, s)`` float32 or float64.

    ``video`` and ``image``: ``colour`` (the mean of each channel), ``brightness`` (their mean) and
    ``contrast`` (standard deviation over all pixels). ``audio``: ``loudness``, the mean of the log-mel
    spectrogram. A stream of features with a mask: ``length``, the number of its tokens.

    Args:
        batch: A batch of evaluation; several crops of a sample are averaged.

    Example:
        >>> statistics = input_statistics({"image": torch.ones(4, 3, 8, 8), "audio": torch.zeros(4, 1, 6, 9)})
        >>> statistics["image"]["colour"].shape, statistics["audio"]["loudness"].shape
        (torch.Size([4, 3]), torch.Size([4, 1]))
    """
    statistics: dict[str, dict[str, Tensor]] = {}
    for name in MODALITY_NDIM:
        if name in batch:
            pixels = batch[name] if batch[name].dtype == torch.float64 else batch[name].float()
            statistics[name] = _of_frames(name, pixels) if name in _VISUAL else {"loudness": _mean(pixels)}
    for key, mask in batch.items():
        if key.endswith(_MASK):
            length = mask.double().flatten(1).sum(1, keepdim=True)
            statistics.setdefault(key.removesuffix(_MASK), {})["length"] = length
    return statistics


def _of_frames(name: str, pixels: Tensor) -> dict[str, Tensor]:
    by_channel = pixels.movedim(1 - MODALITY_NDIM[name], 1).flatten(2)  # (B, 3, all other dimensions)
    return {
        "colour": by_channel.mean(2),
        "brightness": _mean(pixels),
        "contrast": by_channel.flatten(1).std(1, correction=0).unsqueeze(1),
    }


def _mean(values: Tensor) -> Tensor:
    return torch.as_tensor(values.flatten(1).mean(1, keepdim=True))
