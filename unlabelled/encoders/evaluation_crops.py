"""Several crops of a sample in evaluation: a further dimension after the batch's, averaged at the end."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unlabelled.batch import Batch, Features
from unlabelled.encoders.base import MODALITY_NDIM


def num_crops(batch: Batch) -> int | None:
    """Return V if any input of ``batch`` is ``(batch, V, channels, ...)``; None if each has one view.

    Raises:
        ValueError: An input has another number of dimensions, or two disagree about V.
    """
    counts = {name: _crops_of(name, batch[name]) for name in MODALITY_NDIM if name in batch}
    found = {name: count for name, count in counts.items() if count is not None}
    if len(set(found.values())) > 1:
        raise ValueError(
            f"the inputs of a batch have different numbers of views: {found}; expected one number"
        )
    return next(iter(found.values()), None)


def _crops_of(name: str, inputs: Tensor) -> int | None:
    extra = inputs.ndim - MODALITY_NDIM[name]
    if extra not in (0, 1) or (extra and inputs.shape[1] == 0):
        raise ValueError(
            f"{name} has shape {tuple(inputs.shape)}; expected {MODALITY_NDIM[name]} dimensions "
            "(batch, channels, ...), or one more, (batch, views, channels, ...), with at least one view"
        )
    return inputs.shape[1] if extra else None


def has_crops(batch: Batch) -> bool:
    """Return whether the samples of ``batch`` have a dimension of views."""
    return num_crops(batch) is not None


def mean_over_crops(
    function: Callable[[Tensor], Tensor], inputs: Tensor, ndim: int, crops_at_once: int = 1
) -> Tensor:
    """Return the mean over its views of ``function`` of a sample, ``(batch, D)`` float32.

    Args:
        function: Maps ``(n, channels, ...)`` to ``(n, D)``.
        inputs: ``(batch, channels, ...)`` with ``ndim`` dimensions, or ``(batch, views, channels, ...)``.
        ndim: Dimensions of inputs with one view.
        crops_at_once: Views of each sample that go through ``function`` together.
    """
    if inputs.ndim == ndim:
        return function(inputs).float()
    total = torch.zeros(())
    for part in torch.split(inputs, crops_at_once, 1):
        total = total.to(part.device) + _sum_of_crops(function(part.flatten(0, 1)), len(inputs))
    return total / inputs.shape[1]


def embed_crops(embed: Callable[[Batch], Features], batch: Batch, crops_at_once: int = 1) -> Features:
    """Return the mean over the views of a sample of its features, ``{modality: (batch, D)}``.

    A batch with one view per sample is embedded as it is. Features are neither normalised before the mean
    nor after it, and summed in float32.

    Args:
        embed: Features of a batch with one view per sample.
        batch: Any of ``image``, ``video`` and ``audio`` may have a dimension of views; the others belong to
            each view alike.
        crops_at_once: Views of each sample that are embedded together. One keeps the memory of a batch with
            one view per sample.

    Raises:
        ValueError: The inputs disagree about the number of views.

    Source: SCE appendix D.3; docs/methods/sce.md#thirty-crops.
    """
    views = num_crops(batch)
    if views is None:
        return embed(batch)
    totals: Features = {}
    for start in range(0, views, crops_at_once):
        part = _flattened(batch, slice(start, min(start + crops_at_once, views)))
        for name, feature in embed(part).items():
            total = _sum_of_crops(feature, _size(batch))
            totals[name] = totals[name] + total if name in totals else total
    return {name: total / views for name, total in totals.items()}


def _size(batch: Batch) -> int:
    return next(len(batch[name]) for name in MODALITY_NDIM if name in batch)


def _sum_of_crops(features: Tensor, batch_size: int) -> Tensor:
    by_sample: Tensor = features.float().reshape(batch_size, -1, features.shape[1])
    return by_sample.sum(1)


def _flattened(batch: Batch, views: slice) -> Batch:
    """Make a sample of each chosen view; all else about a sample is repeated."""
    size, count = _size(batch), views.stop - views.start
    flat = dict(batch)
    for name, value in batch.items():
        if name in MODALITY_NDIM and _crops_of(name, value) is not None:
            flat[name] = value[:, views].flatten(0, 1)
        elif isinstance(value, Tensor) and value.ndim and len(value) == size:
            flat[name] = value.repeat_interleave(count, 0)
    return flat
