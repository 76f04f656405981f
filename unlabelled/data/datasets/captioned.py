"""Captioned videos of a table to train on: each from beginning to end, with one of its captions at a time."""

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
        name: Of the split, for messages.
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
        """One line: how many videos are usable, and which are not and why, five names a reason."""
        return f"{self.name}: {self.table.summary()}"


class CaptionedVideos(SampleDataset):
    """Videos as tensors with one of their captions, drawn anew in each epoch.

    Args:
        index: The videos.
        pipeline: Makes tensors.
        budget: Their lengths.
        train: Draw a caption; else it is always the first one.

    Raises:
        ValueError: The features are not those that ``pipeline`` makes tensors of.

    Source: reference sspc.md section 3.1.
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
