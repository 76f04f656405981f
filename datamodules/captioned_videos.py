"""Captioned videos in tables of features: MSR-VTT, MSVD and YouCook2."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import unlabelled.data.datasets as sets
from datamodules.text_video import TextVideoDataModule
from unlabelled.data.datasets.captioned import CaptionedIndex, CaptionedVideos
from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.data.datasets.feature_table import ColumnNames, FeatureTable, OtherFeatures
from unlabelled.data.datasets.retrieval import (
    MSRVTT_BUDGET,
    MSRVTT_TRAIN,
    YOUCOOK2,
    YOUCOOK2_BUDGET,
)
from unlabelled.data.media.index import EmptyIndexError
from unlabelled.pipelines.features import Budget, FeaturePipeline


class CaptionedVideoModule(TextVideoDataModule[CaptionedIndex]):
    """Training on whole videos of a table, each with one of its captions per epoch.

    Args:
        root: Folder of the tables.
        pipeline: Makes tensors.
        train: Table of the training videos, relative to ``root``; ``python -m unlabelled convert`` makes it.
        columns: Columns of the table.
        budget: Lengths of the tensors in training.
        evaluation: Evaluation sets of validation.
        other: CLIP's or S3D's features instead of the table's own; the path is relative to ``root``.
        **kwargs: See :class:`~datamodules.text_video.TextVideoDataModule`.

    Raises:
        FileNotFoundError: A table is missing.
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
        """Empty: the videos have no classes."""
        return ()

    def find(self, split: str) -> CaptionedIndex:
        """Return the training videos that have features and a caption."""
        path = os.path.join(self.root, self.train_table)
        other = self.other and replace(self.other, table=os.path.join(self.root, self.other.table))
        index = CaptionedIndex(FeatureTable(path, self.columns, other, captioned=True), split)
        if len(index) == 0:
            raise EmptyIndexError(f"{type(self).__name__}: no usable video in {path}: {index.summary()}")
        return index

    def videos(self, split: str) -> Sequence[str]:
        """Return the identifiers of the training videos, or of those of the evaluation sets."""
        if split != "train":
            return super().videos(split)
        index = self._indices[split]
        return [index.table.identifier(row) for row in range(len(index))]

    def dataset(self, split: str, train: bool) -> CaptionedVideos:
        """Return the training videos."""
        return CaptionedVideos(self._indices[split], self.active_pipeline, self.budget, train)


class MSRVTT(CaptionedVideoModule):
    """MSR-VTT's training videos (Xu et al. 2016), evaluated on the 1000 test pairs of JSFusion.

    Args:
        root: Folder of the tables.
        pipeline: Makes tensors.
        train: Table of the training videos, relative to ``root``: msrvtt_train.pkl (7k split).
        columns: Columns of the table.
        budget: Lengths of the tensors in training.
        evaluation: Evaluation sets of validation; ``null``: the table ``test`` in ``root``, see
            :class:`unlabelled.data.datasets.MSRVTT`.
        **kwargs: See :class:`~datamodules.captioned_videos.CaptionedVideoModule`.
    """

    def __init__(
        self,
        root: str,
        pipeline: FeaturePipeline,
        train: str = "train",
        columns: ColumnNames = MSRVTT_TRAIN,
        budget: Budget = MSRVTT_BUDGET,
        evaluation: Sequence[EvaluationSet] | None = None,
        **kwargs: Any,
    ) -> None:
        chosen = [sets.MSRVTT(f"{root}/test")] if evaluation is None else evaluation
        super().__init__(root, pipeline, train, columns, budget, chosen, **kwargs)


class MSVD(CaptionedVideoModule):
    """MSVD's training videos (Chen and Dolan 2011), evaluated on the 670 test videos.

    Args:
        root: Folder of the tables.
        pipeline: Makes tensors.
        train: Table of the training videos, relative to ``root``: a table of one's own.
        columns: Columns of the table.
        budget: Lengths of the tensors in training.
        evaluation: Evaluation sets of validation; ``null``: the table ``test`` in ``root``, see
            :class:`unlabelled.data.datasets.MSVD`.
        **kwargs: See :class:`~datamodules.captioned_videos.CaptionedVideoModule`.
    """

    def __init__(
        self,
        root: str,
        pipeline: FeaturePipeline,
        train: str = "train",
        columns: ColumnNames = MSRVTT_TRAIN,
        budget: Budget = MSRVTT_BUDGET,
        evaluation: Sequence[EvaluationSet] | None = None,
        **kwargs: Any,
    ) -> None:
        chosen = [sets.MSVD(f"{root}/test")] if evaluation is None else evaluation
        super().__init__(root, pipeline, train, columns, budget, chosen, **kwargs)


class YouCook2(CaptionedVideoModule):
    """YouCook2's training clips (Zhou et al. 2018), evaluated on the 3350 validation clips.

    Args:
        root: Folder of the tables.
        pipeline: Makes tensors.
        train: Table of the training videos, relative to ``root``: youcook_train.pkl.
        columns: Columns of the table.
        budget: Lengths of the tensors in training.
        evaluation: Evaluation sets of validation; ``null``: the table ``test`` in ``root``, see
            :class:`unlabelled.data.datasets.YouCook2`.
        **kwargs: See :class:`~datamodules.captioned_videos.CaptionedVideoModule`.
    """

    def __init__(
        self,
        root: str,
        pipeline: FeaturePipeline,
        train: str = "train",
        columns: ColumnNames = YOUCOOK2,
        budget: Budget = YOUCOOK2_BUDGET,
        evaluation: Sequence[EvaluationSet] | None = None,
        **kwargs: Any,
    ) -> None:
        chosen = [sets.YouCook2(f"{root}/test")] if evaluation is None else evaluation
        super().__init__(root, pipeline, train, columns, budget, chosen, **kwargs)
