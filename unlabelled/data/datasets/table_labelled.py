"""Labelled sets that are tables of features."""

from __future__ import annotations

from collections.abc import Sequence

from unlabelled.data.datasets.evaluation_sets import LabelledSet
from unlabelled.data.datasets.table_columns import ColumnNames, OtherFeatures
from unlabelled.data.datasets.table_set import TableSet
from unlabelled.pipelines.features import Budget


class TableLabelledSet(TableSet, LabelledSet):
    """Videos of a table, each with its class.

    Args:
        table: Folder of the table.
        name: A part of the metrics' names.
        budget: Lengths of the tensors.
        columns: Of the table.
        label_column: The class, text.
        other: Features to use instead of the table's own, such as CLIP's.
    """

    def __init__(
        self,
        table: str,
        name: str,
        budget: Budget,
        columns: ColumnNames,
        label_column: str = "class",
        other: OtherFeatures | None = None,
    ) -> None:
        super().__init__(table, name, budget, columns, other)
        self.label_column = label_column
        self._number: dict[str, int] = {}

    @property
    def classes(self) -> Sequence[str]:
        """The classes as the table has them, in alphabetical order."""
        if not self._number:
            names = sorted(set(self.table.table.text(self.label_column)))
            self._number = {name: number for number, name in enumerate(names)}
        return list(self._number)

    @property
    def class_names(self) -> Sequence[str]:
        """The classes' names in words, by label."""
        return [self.in_words(name) for name in self.classes]

    def in_words(self, name: str) -> str:
        """Return a class's name as one would say it."""
        return name

    def _texts(self, row: int) -> Sequence[str]:
        """Return nothing: a clip's class is not to be seen."""
        return ()

    def _label(self, row: int) -> int:
        column, _ = self.table.table.text(self.label_column), self.classes
        return self._number[column[int(self.table.rows[row])]]
