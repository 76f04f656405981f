"""Samples of ``predict``."""

from __future__ import annotations

from typing import Any

from lightning import Trainer

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
