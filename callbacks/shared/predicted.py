"""Samples of ``predict``, and the clusters that heads predict for them."""

from __future__ import annotations

from typing import Any

import torch
from lightning import Trainer
from torch import Tensor

from callbacks.shared.batches import datamodule
from unlabelled.contracts import NamesPredicted
from unlabelled.data.datasets.clip_names import ClipName


def predict_split(trainer: Trainer) -> str:
    """Return the split of ``predict``: ``train``, ``val``, ``test`` or ``all``."""
    data = datamodule(trainer)
    return data.predict_split if isinstance(data, NamesPredicted) else "test"


def predicted_clips(trainer: Trainer) -> list[ClipName] | None:
    """Return the name of each row of ``predict``; None: the data module does not name its samples."""
    data = datamodule(trainer)
    if isinstance(data, NamesPredicted):
        return list(data.predicted_clips())
    return clips_of(data, "test")


def clips_of(data: Any, split: str) -> list[ClipName] | None:
    """Return the name of each row of a split; None: the data module does not name its samples."""
    if hasattr(data, "clip_names"):
        return list(data.clip_names(split))
    return [ClipName(path, split) for path in data.clip_paths(split)] if hasattr(data, "clip_paths") else None


def joint_clusters(log_probs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the confidence and the cluster ``(B,)`` that head 0 predicts from all modalities.

    Args:
        log_probs: ``{modality: (B, heads, K)}``.

    >>> joint_clusters({"video": torch.tensor([[[0.2, 0.8]]]).log()})
    (tensor([0.8000]), tensor([1]))
    """
    joint = torch.stack(list(log_probs.values())).sum(0)[:, 0].softmax(1)
    confidence, cluster = joint.max(1)
    return confidence, cluster
