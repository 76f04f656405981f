"""The data set of clips: spans of media files."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from unlabelled.data.datasets.samples import (
    NOT_REPLACED,
    OrderedShard,
    SampleDataset,
    SampleKey,
    ShuffledShard,
)
from unlabelled.data.media.index import ClipIndex
from unlabelled.data.media.reader import Reader
from unlabelled.data.media.span_reader import SpanReader
from unlabelled.pipelines.base import ClipPipeline

__all__ = ["NOT_REPLACED", "ClipDataset", "OrderedShard", "SampleKey", "ShuffledShard"]


class ClipDataset(SampleDataset):
    """Clips as tensors: those of the pipeline, and ``label ()``, ``index ()`` and ``replaced ()``.

    Args:
        index: The usable clips.
        reader: Decodes them.
        pipeline: Makes tensors.
        train: Augment at random; otherwise as in evaluation.
    """

    def __init__(self, index: ClipIndex, reader: Reader, pipeline: ClipPipeline, train: bool) -> None:
        self.index, self.reader, self.pipeline, self.train = index, reader, pipeline, train

    def __len__(self) -> int:
        return len(self.index)

    def path(self, row: int) -> str:
        """Return the file of one row."""
        return f"{self.index.root}/{self.index.entries.path(row)}"

    def read(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        """Return the pipeline's tensors and ``label``."""
        duration, entry = float(self.index.durations[row]), self.index.entries[row]
        path = f"{self.index.root}/{entry.path}"
        begin = max(entry.start, self.index.late.get(entry.path, 0.0))
        reader = SpanReader(self.reader, begin, duration) if entry.is_span or begin > 0 else self.reader
        sample: dict[str, Any] = self.pipeline.load(reader, path, duration, rng, self.train)
        return {**sample, "label": torch.tensor(entry.label)}
