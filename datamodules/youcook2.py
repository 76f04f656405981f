"""YouCook2 (Zhou et al. 2018): cooking videos, each of their steps a clip with a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import unlabelled.data.datasets as sets
from datamodules.captioned_videos import CaptionedVideoModule
from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.data.datasets.retrieval import YOUCOOK2, YOUCOOK2_BUDGET
from unlabelled.data.datasets.table_columns import ColumnNames
from unlabelled.pipelines.features import Budget, FeaturePipeline


class YouCook2(CaptionedVideoModule):
    """YouCook2's training clips, evaluated on the 3350 validation clips.

    Args:
        root: Folder of the tables.
        pipeline: Makes tensors.
        train: Table of the training videos, relative to ``root``: youcook_train.pkl.
        columns: Its columns.
        budget: Lengths of the tensors in training.
        evaluation: What validation goes through; ``null``: the table ``test`` in ``root``, see
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
