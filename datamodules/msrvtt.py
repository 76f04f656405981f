"""MSR-VTT (Xu et al. 2016): 10 000 web videos with 20 captions each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import unlabelled.data.datasets as sets
from datamodules.captioned_videos import CaptionedVideoModule
from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.data.datasets.retrieval import MSRVTT_BUDGET, MSRVTT_TRAIN
from unlabelled.data.datasets.table_columns import ColumnNames
from unlabelled.pipelines.features import Budget, FeaturePipeline


class MSRVTT(CaptionedVideoModule):
    """MSR-VTT's training videos, evaluated on the 1000 test pairs of JSFusion.

    Args:
        root: Folder of the tables.
        pipeline: Makes tensors.
        train: Table of the training videos, relative to ``root``: msrvtt_train.pkl (7k split).
        columns: Its columns.
        budget: Lengths of the tensors in training.
        evaluation: What validation goes through; ``null``: the table ``test`` in ``root``, see
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
