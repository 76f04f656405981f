"""Missing modalities: inputs that carry no information, such as silent audio or black video.

A modality of a sample is missing if its input is constant or not finite, or if the pipeline has marked it.
Methods with several encoders give it a feature of zeros, and no other feature is all zeros: so passes,
evaluations and exports need no mask beside the features.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from unlabelled.batch import Batch

# Range of a constant input. It is less than two of 255 grey levels at a standard deviation of 0.225, eight at
# 1, where the frames of any scene range over dozens; spectrograms range over several units of the logarithm.
_CONSTANT = 0.03


def present_modalities(batch: Batch, names: Iterable[str]) -> dict[str, Tensor]:
    """Return which modalities of each sample carry information, ``{modality: (B,) bool}``.

    Those are missing whose input is constant in each channel (silent audio, video of one colour) or has a
    value that is not finite, and audio that the batch has marked as ``silent``.

    Args:
        batch: Inputs ``(B, channels, ...)``, or a list of those that differ in size, and optionally
            ``silent (B,)`` bool.
        names: The modalities.

    Example:
        >>> audio = torch.tensor([[1.0, 2.0], [-36.0, -36.0], [1.0, torch.nan]]).view(3, 1, 1, 2)
        >>> present_modalities({"audio": audio}, ["audio"])["audio"].tolist()
        [True, False, False]
    """
    present = {name: _varies(batch[name]) for name in names}
    if "audio" in present and "silent" in batch:
        present["audio"] = present["audio"] & ~batch["silent"]
    return present


def _varies(inputs: Tensor | list[Tensor]) -> Tensor:
    if isinstance(inputs, list):
        return torch.cat([_varies(each[None]) for each in inputs])
    flat = inputs.flatten(2).contiguous()
    extent = flat.amax(2) - flat.amin(2)  # (B, channels); not finite if a value is not
    return (extent > _CONSTANT).any(1) & extent.isfinite().all(1)


def has_feature(feature: Tensor) -> Tensor:
    """Return ``(B,)`` bool, False where ``feature (B, D)`` is all zeros: of a missing modality."""
    return (feature != 0).any(1)


def has_scores(scores: Tensor) -> Tensor:
    """Return ``(n,)`` bool, False where ``scores (n, K)`` prefer no cluster: of missing modalities.

    The entries of such a row are equal, except for clusters at minus infinity, which are excluded.

    Example:
        >>> has_scores(torch.tensor([[-1.0, -2.0], [-1.0, -1.0], [-torch.inf, -3.0]])).tolist()
        [True, False, False]
    """
    highest = scores.amax(1)
    lowest = scores.where(scores != -torch.inf, torch.inf).amin(1)
    return highest != lowest


def stand_ins(values: Tensor, present: Tensor) -> Tensor:
    """Replace the rows of missing modalities by those of other samples, in turn; zeros if all are missing.

    The results for these rows are to be discarded: they only keep statistics of BatchNorm those of real
    samples. There is no synchronisation with the device.

    Args:
        values: ``(B, ...)``.
        present: ``(B,)`` bool.

    Example:
        >>> stand_ins(torch.tensor([5.0, 6.0, 7.0, 8.0]), torch.tensor([False, True, False, True])).tolist()
        [6.0, 6.0, 8.0, 8.0]
    """
    present_first = (~present).int().argsort(stable=True)
    turn = ((~present).cumsum(0) - 1).clamp(min=0) % present.sum().clamp(min=1)
    own = torch.arange(len(values), device=values.device)
    rows = values.index_select(0, torch.where(present, own, present_first[turn]))
    return rows.masked_fill_(~present.any(), 0)
