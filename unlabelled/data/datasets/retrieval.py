"""Retrieval sets that are tables of features, among them MSR-VTT, YouCook2 and MSVD."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unlabelled.data.datasets.evaluation_sets import RetrievalSet
from unlabelled.data.datasets.feature_table import ColumnNames, OtherFeatures
from unlabelled.data.datasets.table_set import TableSet
from unlabelled.pipelines.features import Budget

MSRVTT_BUDGET = Budget(video_tokens=48, audio_frames=3072, max_words=20)
YOUCOOK2_BUDGET = Budget(video_tokens=72, audio_frames=4608, max_words=20)
MSRVTT_TRAIN = ColumnNames()
MSRVTT_TEST = ColumnNames(caption="eval_caption")
YOUCOOK2 = ColumnNames(rows_2d="2d_full", rows_3d="3d_full")


class TableRetrievalSet(TableSet, RetrievalSet):
    """Videos of a table, each with one of its captions.

    Args:
        table: Folder of the table.
        name: A part of the metrics' names.
        budget: Lengths of the tensors.
        columns: Columns of the table.
        complete_size: Number of pairs including missing ones; ``null``: all rows of the table.
        other: Features to use instead of the table's own, such as CLIP's.
    """

    _captioned = True

    def __init__(
        self,
        table: str,
        name: str,
        budget: Budget,
        columns: ColumnNames,
        complete_size: int | None = None,
        other: OtherFeatures | None = None,
    ) -> None:
        super().__init__(table, name, budget, columns, other)
        self._complete_size = complete_size

    @property
    def texts(self) -> Sequence[str]:
        """The text of each row."""
        return _TextOfRows(self)

    @property
    def complete_size(self) -> int:
        """Number of pairs including missing ones."""
        return self._complete_size if self._complete_size is not None else len(self.table.table)

    def open(self) -> None:
        """Find the tables; see :meth:`TableSet.open`.

        Raises:
            ValueError: There are more videos than ``complete_size``.
        """
        super().open()
        if len(self) > self.complete_size:
            raise ValueError(
                f"{self.path}: {len(self)} videos, but complete_size is {self.complete_size}; is it the "
                "table of another split?"
            )

    def summary(self) -> str:
        """Return one line: the number of pairs, and the missing ones by reason."""
        absent = self.complete_size - len(self.table.table)
        return super().summary() + (f"; not in the table {absent}" if absent > 0 else "")

    def _texts(self, row: int) -> Sequence[str]:
        return [self.table.captions(row)[0]]


class _TextOfRows(Sequence[str]):
    """Texts by row, read on access."""

    def __init__(self, pairs: TableRetrievalSet) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[index] for index in range(*row.indices(len(self)))]
        return self._pairs._texts(range(len(self))[row])[0]


class MSRVTT(TableRetrievalSet):
    """MSR-VTT's 1000 test pairs of JSFusion (Yu et al. 2018), of which 968 have audio and are published.

    Columns ``id``, ``2d``, ``3d``, ``audio`` and ``eval_caption``, as in ``msrvtt_jsfusion_test.pkl``.

    Args:
        table: Folder of the table; ``python -m unlabelled convert`` makes it from the published pickle.
        name: A part of the metrics' names.
        budget: Lengths of the tensors, for 32 s.
        complete_size: Denominator of R@k.
        other: CLIP's or S3D's features instead of the table's own.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/dataset/msrvtt_dataset.py and metric/metric.py;
    docs/methods/sspc.md#retrieval-sets.
    """

    def __init__(
        self,
        table: str,
        name: str = "msrvtt",
        budget: Budget = MSRVTT_BUDGET,
        complete_size: int = 1000,
        other: OtherFeatures | None = None,
    ) -> None:
        super().__init__(table, name, budget, MSRVTT_TEST, complete_size, other)


class YouCook2(TableRetrievalSet):
    """YouCook2's 3350 validation clips (Zhou et al. 2018), of which 3339 have all features.

    Columns ``id``, ``2d_full``, ``3d_full``, ``audio`` and ``caption``, as in ``youcook_val.pkl``.

    Args:
        table: Folder of the table; ``python -m unlabelled convert`` makes it from the published pickle.
        name: A part of the metrics' names.
        budget: Lengths of the tensors, for 48 s.
        complete_size: Denominator of R@k.
        other: CLIP's or S3D's features instead of the table's own.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/dataset/youcook_dataset.py and metric/metric.py;
    docs/methods/sspc.md#retrieval-sets.
    """

    def __init__(
        self,
        table: str,
        name: str = "youcook2",
        budget: Budget = YOUCOOK2_BUDGET,
        complete_size: int = 3350,
        other: OtherFeatures | None = None,
    ) -> None:
        super().__init__(table, name, budget, YOUCOOK2, complete_size, other)


class MSVD(TableRetrievalSet):
    """MSVD's 670 test videos (Chen and Dolan 2011), each with one of its about forty captions.

    No features of it are published in this layout; the table has the columns of MSR-VTT: ``id``, ``2d``,
    ``3d``, ``caption`` (a list of texts) and optionally ``audio``, which most of its videos lack. Each video
    is in the gallery once: copies of it would tie with the correct result. ``caption_number`` selects the
    caption that is the query; for a video with fewer captions it is the last one.

    Args:
        table: Folder of the table.
        caption_number: Index of the caption that is the query, from 0.
        name: A part of the metrics' names.
        budget: Lengths of the tensors, for 32 s; the clips last 10 s on average.
        complete_size: Denominator of R@k.
        other: CLIP's or S3D's features instead of the table's own.

    Source: SSPC supplement, section 1.2 and Table 2, which do not state the queries.
    """

    def __init__(
        self,
        table: str,
        caption_number: int = 0,
        name: str = "msvd",
        budget: Budget = MSRVTT_BUDGET,
        complete_size: int = 670,
        other: OtherFeatures | None = None,
    ) -> None:
        if caption_number < 0:
            raise ValueError(f"MSVD: caption_number {caption_number} must be 0 or more")
        super().__init__(table, name, budget, MSRVTT_TRAIN, complete_size, other)
        self.caption_number = caption_number

    def _texts(self, row: int) -> Sequence[str]:
        captions = self.table.captions(row)
        return [captions[min(self.caption_number, len(captions) - 1)]]
