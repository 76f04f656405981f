"""Retrieval sets that are tables of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unlabelled.data.datasets.evaluation_sets import RetrievalSet
from unlabelled.data.datasets.table_columns import ColumnNames, OtherFeatures
from unlabelled.data.datasets.table_set import TableSet
from unlabelled.pipelines.features import Budget


class TableRetrievalSet(TableSet, RetrievalSet):
    """Videos of a table, each with one of its captions.

    Args:
        table: Folder of the table.
        name: A part of the metrics' names.
        budget: Lengths of the tensors.
        columns: Of the table.
        complete_size: Number of pairs with those that are missing; ``null``: all rows of the table.
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
        """Number of pairs with those that are missing here."""
        return self._complete_size if self._complete_size is not None else len(self.table.table)

    def open(self) -> None:
        """Find the tables; see :meth:`TableSet.open`.

        Raises:
            ValueError: There are more videos than ``complete_size``.
        """
        super().open()
        if len(self) > self.complete_size:
            raise ValueError(
                f"{self.path}: {len(self)} videos, but complete_size is {self.complete_size}; is it another "
                "split's table?"
            )

    def summary(self) -> str:
        """Return one line: how many of all pairs there are, and which are not and why."""
        absent = self.complete_size - len(self.table.table)
        return super().summary() + (f"; not in the table {absent}" if absent > 0 else "")

    def _texts(self, row: int) -> Sequence[str]:
        return [self.table.captions(row)[0]]


class _TextOfRows(Sequence[str]):
    """Texts by row, read when they are asked for."""

    def __init__(self, pairs: TableRetrievalSet) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[place] for place in range(*row.indices(len(self)))]
        return self._pairs._texts(range(len(self))[row])[0]
