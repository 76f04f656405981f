"""Base class of evaluation sets that are tables of features."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.data.datasets.feature_table import ColumnNames, FeatureTable, OtherFeatures
from unlabelled.data.datasets.samples import SampleDataset
from unlabelled.distributed import rank
from unlabelled.pipelines.features import Budget, FeaturePipeline

log = logging.getLogger(__name__)

THUMBNAIL = "thumbnail"


class TableSet(EvaluationSet):
    """The videos of a table as samples, each from its beginning to its end.

    A subclass defines their texts and labels (:meth:`_texts`, :meth:`_label`).

    Args:
        table: Folder of the table; ``python -m unlabelled convert`` makes it of the published pickle.
        name: A part of the metrics' names.
        budget: Lengths of the tensors.
        columns: Columns of the table.
        other: Features to use instead of the table's own, such as CLIP's.
    """

    _captioned = False

    def __init__(
        self,
        table: str,
        name: str,
        budget: Budget,
        columns: ColumnNames,
        other: OtherFeatures | None = None,
    ) -> None:
        self.path, self.name, self.budget = table, name, budget
        self.columns, self.other = columns, other
        self._table: FeatureTable | None = None

    @property
    def table(self) -> FeatureTable:
        """The used videos; see :meth:`open`."""
        if self._table is None:
            self._table = FeatureTable(self.path, self.columns, self.other, self._captioned)
            if rank() == 0:
                missing = any(self._table.left_out.values())
                log.log(logging.WARNING if missing else logging.INFO, "%s", self.summary())
        return self._table

    def open(self) -> None:
        """Find the tables; see :meth:`EvaluationSet.open`.

        Raises:
            ValueError: None of the videos is usable.
        """
        if not len(self.table):
            raise ValueError(f"{self.path}: no video is usable: {self.summary()}")

    def __len__(self) -> int:
        return len(self.table)

    def summary(self) -> str:
        """Return one line: the number of videos, and the videos left out by reason."""
        return f"{self.name}: {self.table.summary()}"

    def dataset(self, pipeline: FeaturePipeline) -> SampleDataset:
        """Return the videos as tensors of the set's :attr:`budget`, with ``label``.

        Raises:
            ValueError: The features have other widths than ``pipeline`` requires.
        """
        self.table.check(pipeline)
        return _Videos(self, pipeline)

    def title(self, row: int) -> str:
        """Return a video's identifier."""
        return self.table.identifier(row)

    def thumbnail(self, row: int) -> NDArray[np.uint8] | None:
        """Return the image in column ``thumbnail``; None if the table has no such column."""
        table = self.table.table
        if THUMBNAIL not in table.columns:
            return None
        image: NDArray[np.uint8] = table.scalars(THUMBNAIL)[int(self.table.rows[row])]
        return image

    def sample(self, row: int, pipeline: FeaturePipeline) -> dict[str, Any]:
        """Return the tensors and the ``label ()`` of one video; -1: no label.

        Raises:
            DecodeError: Its features are invalid.
        """
        clip = self.table.clip(row, self._texts(row))
        return {**pipeline.load(clip, self.budget), "label": torch.tensor(self._label(row))}

    @abstractmethod
    def _texts(self, row: int) -> Sequence[str]:
        """Return the texts of a video."""

    def _label(self, row: int) -> int:
        return -1


class _Videos(SampleDataset):
    """The videos of a set as tensors."""

    def __init__(self, videos: TableSet, pipeline: FeaturePipeline) -> None:
        self.videos, self.pipeline = videos, pipeline

    def __len__(self) -> int:
        return len(self.videos)

    def path(self, row: int) -> str:
        """Return a video's identifier."""
        return self.videos.title(row)

    def read(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        """Return the tensors and the ``label`` of one video."""
        return self.videos.sample(row, self.pipeline)
