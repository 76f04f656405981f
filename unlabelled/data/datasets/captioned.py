"""Training set of whole videos with captions; each epoch draws one caption per video."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch

from unlabelled.data.datasets.feature_table import FeatureTable
from unlabelled.data.datasets.samples import SampleDataset
from unlabelled.pipelines.features import Budget, FeaturePipeline

_NO_LABEL = -1


class CaptionedIndex:
    """The captioned videos of a table; see :class:`~unlabelled.data.datasets.samples.SampleIndex`.

    Args:
        table: The videos.
        name: Name of the split, for messages.
    """

    def __init__(self, table: FeatureTable, name: str) -> None:
        self.table, self.name = table, name

    def __len__(self) -> int:
        return len(self.table)

    @property
    def fingerprint(self) -> str:
        """Hash of 16 hexadecimal digits of the videos, their order and captions."""
        digest = hashlib.sha256()
        for row in range(len(self)):
            digest.update(repr((self.table.identifier(row), self.table.captions(row))).encode())
        return digest.hexdigest()[:16]

    def summary(self) -> str:
        """Return one line: the numbers of usable and left out videos, with reasons and five names each."""
        return f"{self.name}: {self.table.summary()}"


class CaptionedVideos(SampleDataset):
    """Videos as tensors with one of their captions, drawn in each epoch.

    Args:
        index: The videos.
        pipeline: Makes tensors.
        budget: Lengths of the tensors.
        train: Draw a caption; otherwise take the first one.

    Raises:
        ValueError: The features do not fit ``pipeline``.

    Source: ninatu/everything_at_once, everything_at_once/dataset/msrvtt_dataset.py;
    docs/methods/sspc.md#retrieval-sets.
    """

    def __init__(self, index: CaptionedIndex, pipeline: FeaturePipeline, budget: Budget, train: bool) -> None:
        index.table.check(pipeline)
        self.index, self.pipeline, self.budget, self.train = index, pipeline, budget, train

    def __len__(self) -> int:
        return len(self.index)

    def path(self, row: int) -> str:
        """Return a video's identifier."""
        return self.index.table.identifier(row)

    def read(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        """Return the tensors of a video and a caption, and ``label`` -1."""
        captions = [text for text in self.index.table.captions(row) if text.strip()]
        number = int(rng.integers(len(captions))) if self.train else 0
        clip = self.index.table.clip(row, [captions[number]])
        return {**self.pipeline.load(clip, self.budget), "label": torch.tensor(_NO_LABEL)}
