"""What data modules of captioned videos in tables share: training on whole videos, each with a caption."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from datamodules.text_video import TextVideoDataModule
from unlabelled.data.datasets.captioned import CaptionedIndex, CaptionedVideos
from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.data.datasets.feature_table import FeatureTable
from unlabelled.data.datasets.table_columns import ColumnNames, OtherFeatures
from unlabelled.data.media.index import EmptyIndexError
from unlabelled.pipelines.features import Budget, FeaturePipeline


class CaptionedVideoModule(TextVideoDataModule[CaptionedIndex]):
    """Videos of a table to train on, each from beginning to end, with one of its captions at a time.

    Args:
        root: Folder of the tables.
        pipeline: Makes tensors.
        train: Table of the training videos, relative to ``root``; ``python -m unlabelled convert`` makes it.
        columns: Its columns.
        budget: Lengths of the tensors in training.
        evaluation: What validation goes through.
        other: CLIP's or S3D's features to train on instead of the table's own; relative to ``root``.
        **kwargs: See :class:`~datamodules.text_video.TextVideoDataModule`.

    Raises:
        FileNotFoundError: A table is not there.
        EmptyIndexError: No training video has features and a caption.
    """

    def __init__(
        self,
        root: str,
        pipeline: FeaturePipeline,
        train: str,
        columns: ColumnNames,
        budget: Budget,
        evaluation: Sequence[EvaluationSet],
        other: OtherFeatures | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, pipeline, evaluation, **kwargs)
        self.train_table, self.columns, self.budget, self.other = train, columns, budget, other

    @property
    def class_names(self) -> Sequence[str]:
        """Nothing: the videos have no classes."""
        return ()

    def find(self, split: str) -> CaptionedIndex:
        """Return the training videos that have features and a caption."""
        path = os.path.join(self.root, self.train_table)
        other = (
            OtherFeatures(os.path.join(self.root, self.other.table), self.other.column)
            if self.other
            else None
        )
        index = CaptionedIndex(FeatureTable(path, self.columns, other, captioned=True), split)
        if len(index) == 0:
            raise EmptyIndexError(f"{type(self).__name__}: no usable video in {path}: {index.summary()}")
        return index

    def dataset(self, split: str, train: bool) -> CaptionedVideos:
        """Return the training videos."""
        return CaptionedVideos(self._indices[split], self.active_pipeline, self.budget, train)
