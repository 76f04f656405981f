"""Memory-mapped tables of numbers and texts, for millions of rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.features.column_format import (
    TABLE,
    Column,
    bounds_file,
    check_name,
    decode,
    encode,
    hash_keys,
    keys_file,
    map_array,
    offsets_file,
    read_description,
    values_file,
)

Array = NDArray[Any]


class ColumnTable:
    """A folder that :class:`~unlabelled.data.features.column_writer.ColumnWriter` wrote, opened for reading.

    Opening takes milliseconds for any size, as arrays are memory-mapped on first access. It is pickled as its
    path, and may be forked. The arrays it returns are read-only.

    Args:
        path: The folder.

    Attributes:
        columns: Columns by name.
        meta: Further facts that the writer stored.

    Raises:
        FileNotFoundError: There is no such table.
        ValueError: It is damaged, or of a format that this version cannot read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        stored = read_description(Path(path, TABLE))
        self.columns = {
            check_name(name): Column.from_json(column) for name, column in stored["columns"].items()
        }
        self.meta: dict[str, Any] = stored["meta"]
        self._rows = int(stored["rows"])
        self._arrays: dict[str, Array] = {}

    def __len__(self) -> int:
        return self._rows

    def __reduce__(self) -> tuple[Any, ...]:
        return ColumnTable, (self.path,)

    def scalars(self, name: str) -> Array:
        """Return a column of numbers or arrays ``(N, ...)``."""
        column = self._column(name, "scalar")
        return self._array(values_file(name), column.dtype, (self._rows, *column.shape))

    def ragged(self, name: str) -> RaggedColumn:
        """Return a column of arrays ``(n, ...)``, with a different n in each row."""
        return RaggedColumn(self, name, self._column(name, "ragged"))

    def text(self, name: str) -> TextColumn:
        """Return a column of one text per row."""
        self._column(name, "text")
        return TextColumn(self, name)

    def texts(self, name: str) -> TextsColumn:
        """Return a column of a list of texts per row."""
        self._column(name, "texts")
        return TextsColumn(self, name)

    def find(self, name: str, keys: Sequence[str]) -> NDArray[np.int64]:
        """Return the row of each key in a column that was written with ``key=True``; -1: not found.

        Binary search in sorted hashes, then comparison of the texts.

        Raises:
            ValueError: The column is not a key.
        """
        if not self._column(name, "text").key:
            raise ValueError(f"{self.path}: column {name!r} was not written as a key")
        if not self._rows:
            return np.full(len(keys), -1, np.int64)
        hashes, rows = self._array(keys_file(name), "<u8", (2, self._rows))
        encoded, stored = [encode(key) for key in keys], self.text(name)
        positions = np.searchsorted(hashes, hash_keys(encoded))
        found = np.full(len(keys), -1, np.int64)
        for index, (key, position) in enumerate(zip(encoded, positions.tolist(), strict=True)):
            while position < self._rows and stored.raw(int(rows[position])) != key:
                following = position + 1  # of equal hash, if there is one
                same = following < self._rows and hashes[position] == hashes[following]
                position = following if same else self._rows
            found[index] = int(rows[position]) if position < self._rows else -1
        return found

    def offsets(self, name: str) -> NDArray[np.int64]:
        """Return the bounds of the rows of a column ``(N + 1,)``."""
        return self._array(offsets_file(name), "<i8", (self._rows + 1,))

    def values(self, name: str) -> Array:
        """Return the numbers or bytes of all rows of a column, row by row."""
        column = self.columns[name]
        return self._array(values_file(name), column.dtype, (None, *column.shape))

    def bounds(self, name: str) -> NDArray[np.int64]:
        """Return the bounds of the texts of a column of lists ``(M + 1,)``."""
        return self._array(bounds_file(name), "<i8", (None,))

    def _column(self, name: str, kind: str) -> Column:
        column = self.columns.get(name)
        if column is None:
            raise KeyError(f"{self.path} has no column {name!r}; it has {', '.join(self.columns)}")
        if column.kind != kind:
            raise ValueError(f"{self.path}: column {name!r} is of kind {column.kind}, not {kind}")
        return column

    def _array(self, file: str, dtype: str, shape: tuple[int | None, ...]) -> Array:
        if file not in self._arrays:
            self._arrays[file] = map_array(Path(self.path, file), dtype, shape)
        return self._arrays[file]


class RaggedColumn:
    """Arrays ``(n, *shape)`` by row.

    Attributes:
        column: Kind, type and shape.
    """

    def __init__(self, table: ColumnTable, name: str, column: Column) -> None:
        self._table, self._name, self.column = table, name, column

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, row: int) -> Array:
        offsets = self._table.offsets(self._name)
        row = _checked(row, len(self))
        return self._table.values(self._name)[offsets[row] : offsets[row + 1]]

    def length(self, row: int) -> int:
        """Return n of one row."""
        offsets, row = self._table.offsets(self._name), _checked(row, len(self))
        return int(offsets[row + 1] - offsets[row])

    def lengths(self) -> NDArray[np.int64]:
        """Return n of all rows."""
        return np.diff(self._table.offsets(self._name))


class TextColumn(Sequence[str]):
    """Texts by row; strings are decoded on access."""

    def __init__(self, table: ColumnTable, name: str) -> None:
        self._table, self._name = table, name

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str]: ...
    def __getitem__(self, row: int | slice) -> str | Sequence[str]:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        return decode(self.raw(row))

    def raw(self, row: int) -> bytes:
        """Return the bytes of one text."""
        offsets = self._table.offsets(self._name)
        row = _checked(row, len(self))
        return self._table.values(self._name)[offsets[row] : offsets[row + 1]].tobytes()


class TextsColumn:
    """Lists of texts by row."""

    def __init__(self, table: ColumnTable, name: str) -> None:
        self._table, self._name = table, name

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, row: int) -> list[str]:
        first, end = self._span(row)
        return self.part(row, range(end - first))

    def part(self, row: int, chosen: Sequence[int]) -> list[str]:
        """Return some of the texts of a row, by their indices in its list."""
        first, end = self._span(row)
        indices = [first + _checked(index, end - first) for index in chosen]
        data, bounds = self._table.values(self._name), self._table.bounds(self._name)
        return [decode(data[bounds[index] : bounds[index + 1]].tobytes()) for index in indices]

    def length(self, row: int) -> int:
        """Return the number of texts of one row."""
        first, end = self._span(row)
        return end - first

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of texts of each row."""
        return np.diff(self._table.offsets(self._name))

    def _span(self, row: int) -> tuple[int, int]:
        offsets, row = self._table.offsets(self._name), _checked(row, len(self))
        return int(offsets[row]), int(offsets[row + 1])


def _checked(row: int, size: int) -> int:
    """Return a row as index from the first one; negative rows are counted from the last."""
    if not -size <= row < size:
        raise IndexError(f"row {row} of {size}")
    return row % size
