"""MSVD (Chen and Dolan 2011): 1970 short web videos with about 40 captions each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import unlabelled.data.datasets as sets
from datamodules.captioned_videos import CaptionedVideoModule
from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.data.datasets.retrieval import MSRVTT_BUDGET, MSRVTT_TRAIN
from unlabelled.data.datasets.table_columns import ColumnNames
from unlabelled.pipelines.features import Budget, FeaturePipeline


class MSVD(CaptionedVideoModule):
    """MSVD's training videos, evaluated on the 670 test videos.

    Args:
        root: Folder of the tables.
        pipeline: Makes tensors.
        train: Table of the training videos, relative to ``root``: a table of one's own.
        columns: Its columns.
        budget: Lengths of the tensors in training.
        evaluation: What validation goes through; ``null``: the table ``test`` in ``root``, see
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
