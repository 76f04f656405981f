"""Write tables row by row, in bounded memory; an interrupted table is removed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.features.column_format import (
    FORMAT,
    TABLE,
    Column,
    check_name,
    keys_file,
)
from unlabelled.data.features.column_values import TextWriter, column_writer
from unlabelled.data.features.columns import ColumnTable

_PARTIAL = ".part-"


class ColumnWriter:
    """Writes a :class:`~unlabelled.data.features.columns.ColumnTable`, row by row, in a ``with`` block.

    The rows are written to a temporary folder beside ``path``, which is renamed at the end of the block, or
    deleted if the block raises. (A killed process leaves a folder ``.part-*``, which may be deleted.) The
    memory holds one buffer per file and eight bytes per row of a key.

    Args:
        path: The folder to write; its parent folders are created.
        columns: Columns by name.

    Attributes:
        meta: Further facts to store in the table, as JSON.

    Raises:
        FileExistsError: ``path`` exists, or another process has written it meanwhile.
        ValueError: A value does not fit its column, or a key occurs twice.
    """

    def __init__(self, path: str, columns: Mapping[str, Column]) -> None:
        self.path, self.columns = path, dict(columns)
        for name in self.columns:
            check_name(name)
        self.meta: dict[str, Any] = {}
        self._rows = 0

    def __enter__(self) -> ColumnWriter:
        if os.path.lexists(self.path):
            raise FileExistsError(f"{self.path} exists; delete it first, or choose another name")
        parent = os.path.dirname(os.path.abspath(self.path))
        os.makedirs(parent, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=parent))
        os.chmod(self._folder, 0o755)  # mkdtemp makes it private, but data folders are shared
        self._writers = {
            name: column_writer(self._folder, name, column) for name, column in self.columns.items()
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            for writer in self._writers.values():
                writer.close()
            if kind is None:
                self._finish()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __len__(self) -> int:
        return self._rows

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row: a value for each column."""
        self._check_columns(row)
        for name, value in row.items():
            try:
                self._writers[name].append(value)
            except (ValueError, TypeError) as error:
                raise ValueError(f"{self.path}, row {self._rows}, column {name!r}: {error}") from error
        self._rows += 1

    def extend(self, rows: Mapping[str, Sequence[Any] | NDArray[Any]]) -> None:
        """Write several rows: as many values for each column."""
        self._check_columns(rows)
        lengths = {name: len(values) for name, values in rows.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{self.path}: expected equally many values for each column, found {lengths}")
        for name, values in rows.items():
            try:
                self._writers[name].extend(values)
            except (ValueError, TypeError) as error:
                raise ValueError(f"{self.path}, from row {self._rows}, column {name!r}: {error}") from error
        self._rows += max(lengths.values(), default=0)

    def _check_columns(self, row: Mapping[str, Any]) -> None:
        if row.keys() != self.columns.keys():
            raise ValueError(
                f"{self.path}, row {self._rows}: expected the columns {', '.join(self.columns)}; "
                f"found {', '.join(row)}"
            )

    def _finish(self) -> None:
        description = {
            "format": FORMAT,
            "rows": self._rows,
            "columns": {name: column.to_json() for name, column in self.columns.items()},
            "meta": self.meta,
        }
        (self._folder / TABLE).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
        for name, column in self.columns.items():
            if column.key:
                self._write_keys(name)
        try:
            os.rename(self._folder, self.path)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            raise FileExistsError(f"{self.path} was written by another process meanwhile") from error

    def _write_keys(self, name: str) -> None:
        writer = self._writers[name]
        assert isinstance(writer, TextWriter)
        hashes = np.frombuffer(writer.hashes, dtype=np.uint64)
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        self._check_unique(name, ordered, order)
        keys = np.stack([ordered, order.astype(np.uint64)])
        np.save(self._folder / keys_file(name), keys.astype("<u8"), allow_pickle=False)

    def _check_unique(
        self, name: str, ordered: NDArray[np.uint64], order: NDArray[np.intp], max_names: int = 5
    ) -> None:
        (same,) = np.nonzero(ordered[1:] == ordered[:-1])
        column = ColumnTable(str(self._folder)).text(name) if len(same) else []
        pairs = [(int(order[index]), int(order[index + 1])) for index in same]
        twice = [column[first] for first, second in pairs if column[first] == column[second]]
        if twice:
            names = ", ".join(repr(key) for key in twice[:max_names])
            raise ValueError(f"{self.path}: {len(twice)} keys of {name!r} occur more than once: {names}")
