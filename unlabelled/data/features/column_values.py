"""Write the files of one column row by row."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.features.column_format import (
    Column,
    bounds_file,
    encode,
    hash_keys,
    offsets_file,
    values_file,
)

_BUFFER = 1 << 20


class GrowingFile:
    """An ``.npy`` file to which elements are appended along the first dimension."""

    def __init__(self, path: Path, dtype: str, shape: tuple[int, ...] = ()) -> None:
        self.dtype, self.shape, self.length = np.dtype(dtype), shape, 0
        self._file = path.open("wb", buffering=_BUFFER)
        self._header()

    def extend(self, values: NDArray[Any]) -> None:
        """Append elements ``(n, *shape)``."""
        self._file.write(np.ascontiguousarray(values, self.dtype).tobytes())
        self.length += len(values)

    def write(self, data: bytes, length: int = 1) -> None:
        """Append the bytes of ``length`` elements."""
        self._file.write(data)
        self.length += length

    def close(self) -> None:
        """Write the length into the header, for which NumPy reserves space."""
        if not self._file.closed:
            self._file.seek(0)
            self._header()
            self._file.close()

    def _header(self) -> None:
        shape = (self.length, *self.shape)
        description = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, description)


class ValuesWriter:
    """Writer of a column of numbers or arrays of fixed shape."""

    def __init__(self, folder: Path, name: str, column: Column) -> None:
        self.column, self._kind = column, np.dtype(column.dtype)
        self.values = GrowingFile(folder / values_file(name), column.dtype, column.shape)
        self.files = [self.values]

    def append(self, value: Any) -> None:
        """Write one row."""
        self.values.extend(self._checked(value, ())[np.newaxis])

    def extend(self, values: Sequence[Any] | NDArray[Any]) -> None:
        """Write several rows."""
        if len(values):
            self.values.extend(self._checked(values, ("n",)))

    def close(self) -> None:
        """Finish the files."""
        for file in self.files:
            file.close()

    def _checked(self, value: Any, more: tuple[str, ...]) -> NDArray[Any]:
        """Return a value as array; ``more`` are names of dimensions before those of an element.

        Raises:
            ValueError: Its shape or type is not that of the column.
        """
        found = np.asarray(value)
        shape, kind = self.column.shape, self._kind
        if found.ndim != len(more) + len(shape) or found.shape[len(more) :] != shape:
            expected = "(" + ", ".join([*more, *map(str, shape)]) + ")"
            raise ValueError(f"expected an array {expected}, found {found.shape}")
        if found.dtype == kind or np.can_cast(found.dtype, kind, "safe"):
            return found
        whole = kind.kind in "iu" and found.dtype.kind in "iub"  # their range is checked
        if not whole and not np.can_cast(found.dtype, kind, "same_kind"):
            raise ValueError(f"expected {kind}, found {found.dtype}")
        _check_range(found, kind)
        return found


class RowsWriter(ValuesWriter):
    """Base class of writers of rows of variable length."""

    def extend(self, values: Sequence[Any] | NDArray[Any]) -> None:
        """Write several rows."""
        for value in values:
            self.append(value)


class RaggedWriter(RowsWriter):
    """Writer of arrays of variable length, and of their bounds."""

    def __init__(self, folder: Path, name: str, column: Column) -> None:
        super().__init__(folder, name, column)
        self.offsets = _offsets(folder / offsets_file(name))
        self.files.append(self.offsets)

    def append(self, value: Any) -> None:
        """Write one row."""
        values = np.asarray(value)
        if values.size == 0 and values.ndim <= 1:  # an empty list has neither type nor shape
            values = np.empty((0, *self.column.shape), self.column.dtype)
        self.values.extend(self._checked(values, ("n",)))
        self.offsets.write(_int64(self.values.length))


class TextWriter(RowsWriter):
    """Writer of texts, and of their bounds.

    Attributes:
        hashes: Hash of each row, for keys.
    """

    def __init__(self, folder: Path, name: str, column: Column) -> None:
        super().__init__(folder, name, column)
        self.offsets, self.hashes = _offsets(folder / offsets_file(name)), array("Q")
        self.files.append(self.offsets)

    def append(self, value: Any) -> None:
        """Write one row."""
        data = _encoded(value)
        self.values.write(data, len(data))
        self.offsets.write(_int64(self.values.length))
        if self.column.key:
            self.hashes.append(int(hash_keys([data])[0]))


class TextsWriter(RowsWriter):
    """Writer of lists of texts, and of the bounds of texts and lists."""

    def __init__(self, folder: Path, name: str, column: Column) -> None:
        super().__init__(folder, name, column)
        self.offsets = _offsets(folder / offsets_file(name))
        self.bounds = _offsets(folder / bounds_file(name))
        self.files += [self.offsets, self.bounds]

    def append(self, value: Any) -> None:
        """Write one row."""
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise TypeError(f"expected a list of texts, found {type(value).__name__}")
        for each in value:
            data = _encoded(each)
            self.values.write(data, len(data))
            self.bounds.write(_int64(self.values.length))
        self.offsets.write(_int64(self.bounds.length - 1))


def _check_range(values: NDArray[Any], kind: np.dtype[Any]) -> None:
    """Raise ValueError for finite numbers outside the range of a type."""
    limits = np.finfo(kind) if kind.kind == "f" else np.iinfo(kind)
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if finite.size and (finite.min() < limits.min or finite.max() > limits.max):
        raise ValueError(f"{finite.min()} to {finite.max()} does not fit into {kind}")


def column_writer(folder: Path, name: str, column: Column) -> ValuesWriter:
    """Return the writer of a column."""
    kinds = {"scalar": ValuesWriter, "ragged": RaggedWriter, "text": TextWriter, "texts": TextsWriter}
    return kinds[column.kind](folder, name, column)


def _offsets(path: Path) -> GrowingFile:
    file = GrowingFile(path, "<i8")
    file.write(_int64(0))
    return file


def _int64(number: int) -> bytes:
    return number.to_bytes(8, "little", signed=True)


def _encoded(value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, found {type(value).__name__}")
    return encode(value)
