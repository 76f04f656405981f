"""Features of several crops of a sample in evaluation, averaged over the crops.

Crops are one more dimension of an input, after the dimension of the batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unlabelled.batch import Batch, Features
from unlabelled.encoders.base import MODALITY_NDIM


def num_crops(batch: Batch) -> int | None:
    """Return V if any input of ``batch`` is ``(batch, V, channels, ...)``; None if samples have no crops.

    Raises:
        ValueError: An input has another number of dimensions, or two inputs have different V.
    """
    counts = {name: _crops_of(name, batch[name]) for name in MODALITY_NDIM if name in batch}
    with_crops = {name: count for name, count in counts.items() if count is not None}
    if len(set(with_crops.values())) > 1:
        raise ValueError(
            f"the inputs of a batch have different numbers of crops: {with_crops}; expected one number"
        )
    return next(iter(with_crops.values()), None)


def _crops_of(name: str, inputs: Tensor) -> int | None:
    extra = inputs.ndim - MODALITY_NDIM[name]
    if extra not in (0, 1) or (extra and inputs.shape[1] == 0):
        raise ValueError(
            f"{name} has shape {tuple(inputs.shape)}; expected {MODALITY_NDIM[name]} dimensions "
            "(batch, channels, ...), or one more, (batch, crops, channels, ...), with at least one crop"
        )
    return inputs.shape[1] if extra else None


def has_crops(batch: Batch) -> bool:
    """Return whether an input of ``batch`` has a dimension of crops."""
    return num_crops(batch) is not None


def mean_over_crops(
    function: Callable[[Tensor], Tensor], inputs: Tensor, ndim: int, crops_at_once: int = 1
) -> Tensor:
    """Return the mean of ``function`` over the crops of each sample, ``(batch, D)`` float32.

    Args:
        function: Maps ``(n, channels, ...)`` to ``(n, D)``.
        inputs: ``(batch, channels, ...)`` with ``ndim`` dimensions, or ``(batch, crops, channels, ...)``.
        ndim: Number of dimensions of inputs without crops.
        crops_at_once: Number of crops of each sample that go through ``function`` together.
    """
    if inputs.ndim == ndim:
        return function(inputs).float()
    total = torch.zeros(())
    for part in torch.split(inputs, crops_at_once, 1):
        total = total.to(part.device) + _sum_of_crops(function(part.flatten(0, 1)), len(inputs))
    return total / inputs.shape[1]


def embed_crops(embed: Callable[[Batch], Features], batch: Batch, crops_at_once: int = 1) -> Features:
    """Return the mean of the features over the crops of each sample, ``{modality: (batch, D)}``.

    A batch without crops is embedded as it is. Features are summed in float32 and normalised neither before
    the mean nor after it.

    Args:
        embed: Maps a batch without crops to features.
        batch: Any of ``image``, ``video`` and ``audio`` may have a dimension of crops; inputs without it are
            repeated for each crop.
        crops_at_once: Number of crops of each sample that are embedded together; one needs no more memory
            than a batch without crops.

    Raises:
        ValueError: The inputs have different numbers of crops.

    Source: SCE appendix D.3; docs/methods/sce.md#thirty-crops.

    Example:
        >>> batch = {"image": torch.tensor([1.0, 3.0]).view(1, 2, 1, 1, 1)}  # one sample with two crops
        >>> embed_crops(lambda part: {"image": part["image"].flatten(1)}, batch)["image"].tolist()
        [[2.0]]
    """
    crops = num_crops(batch)
    if crops is None:
        return embed(batch)
    totals: Features = {}
    for start in range(0, crops, crops_at_once):
        part = _flattened(batch, slice(start, min(start + crops_at_once, crops)))
        for name, feature in embed(part).items():
            total = _sum_of_crops(feature, _size(batch))
            totals[name] = totals[name] + total if name in totals else total
    return {name: total / crops for name, total in totals.items()}


def _size(batch: Batch) -> int:
    return next(len(batch[name]) for name in MODALITY_NDIM if name in batch)


def _sum_of_crops(features: Tensor, batch_size: int) -> Tensor:
    by_sample: Tensor = features.float().reshape(batch_size, -1, features.shape[1])
    return by_sample.sum(1)


def _flattened(batch: Batch, crops: slice) -> Batch:
    """Make a sample of each chosen crop; all other entries of a sample are repeated."""
    size, count = _size(batch), crops.stop - crops.start
    flat = dict(batch)
    for name, value in batch.items():
        if name in MODALITY_NDIM and _crops_of(name, value) is not None:
            flat[name] = value[:, crops].flatten(0, 1)
        elif isinstance(value, Tensor) and value.ndim and len(value) == size:
            flat[name] = value.repeat_interleave(count, 0)
    return flat
