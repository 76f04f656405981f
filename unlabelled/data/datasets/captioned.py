"""Captioned videos of a table, for training: whole videos with one of their captions at a time."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from unlabelled.data.datasets.feature_table import FeatureTable
from unlabelled.data.datasets.samples import SampleDataset, augmentation_generator
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
        """Sixteen hexadecimal digits that differ when the videos, their order or their captions do."""
        digest = hashlib.sha256()
        for place in range(len(self)):
            digest.update(repr((self.table.identifier(place), self.table.captions(place))).encode())
        return digest.hexdigest()[:16]

    def summary(self) -> str:
        """Return one line: how many videos are usable, and five names per reason of the others."""
        return f"{self.name}: {self.table.summary()}"


class CaptionedVideos(SampleDataset):
    """Videos as tensors with one of their captions, drawn in each epoch.

    Args:
        index: The videos.
        pipeline: Makes tensors.
        budget: Lengths of the tensors.
        train: Draw a caption; else take the first one.

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

    def read(self, row: int, epoch: int) -> dict[str, Any]:
        """Return the tensors of a video and a caption, and ``label`` -1."""
        captions = [text for text in self.index.table.captions(row) if text.strip()]
        number = int(augmentation_generator(epoch, row).integers(len(captions))) if self.train else 0
        clip = self.index.table.clip(row, [captions[number]])
        return {**self.pipeline.load(clip, self.budget), "label": torch.tensor(_NO_LABEL)}
