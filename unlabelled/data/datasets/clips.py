"""The data set of clips: files of sight and sound."""

from __future__ import annotations

from typing import Any

import torch

from unlabelled.data.datasets.samples import (
    NOT_REPLACED,
    OrderedShard,
    SampleDataset,
    SampleKey,
    ShuffledShard,
    augmentation_generator,
)
from unlabelled.data.media.index import ClipIndex
from unlabelled.data.media.reader import Reader
from unlabelled.pipelines.base import ClipPipeline

__all__ = ["NOT_REPLACED", "ClipDataset", "OrderedShard", "SampleKey", "ShuffledShard"]


class ClipDataset(SampleDataset):
    """Clips as tensors: what the pipeline makes of them, and ``label ()``, ``index ()``, ``replaced ()``.

    Args:
        index: The usable clips.
        reader: Decodes them.
        pipeline: Makes tensors.
        train: Random augmentation, or the fixed pipeline.
    """

    def __init__(self, index: ClipIndex, reader: Reader, pipeline: ClipPipeline, train: bool) -> None:
        self.index, self.reader, self.pipeline, self.train = index, reader, pipeline, train

    def __len__(self) -> int:
        return len(self.index)

    def path(self, row: int) -> str:
        """Return the file of one row."""
        return f"{self.index.root}/{self.index.entries[row].path}"

    def read(self, row: int, epoch: int) -> dict[str, Any]:
        """Return the pipeline's tensors and ``label``."""
        rng, seconds = augmentation_generator(epoch, row), self.index.durations[row]
        sample: dict[str, Any] = self.pipeline.load(self.reader, self.path(row), seconds, rng, self.train)
        return {**sample, "label": torch.tensor(self.index.entries[row].label)}
