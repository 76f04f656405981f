"""Convert published retrieval sets, lists of dictionaries of features, to tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unlabelled.data.features.captions import is_missing_text
from unlabelled.data.features.column_format import Column, ragged, scalar, text, texts
from unlabelled.data.features.column_writer import ColumnWriter
from unlabelled.data.features.safe_pickle import plain

AUDIO = "audio"


def write_records(path: str, records: Sequence[Mapping[str, Any]], name: str) -> dict[str, int]:
    """Write a table with a column for each key of the records.

    The kinds of columns are: ``text`` for texts, ``texts`` for lists of texts, ``ragged`` for matrices ``(n,
    dim)`` (features over time), ``scalar`` for other numbers and arrays. Spectrograms ``(bands, frames)``
    under ``audio`` are transposed: their rows are frames. If a record lacks a key, or has None, its matrix,
    list or text is empty, and counted.

    Args:
        path: The folder to write.
        records: The records; the published ones have ``id``, ``2d``, ``3d``, ``audio``, ``caption``.
        name: Name of the file, for messages.

    Returns:
        The number of ``records``, and the numbers of those that lack a key: ``without <key>``.

    Raises:
        ValueError: The values of a key are of different kinds, or a number is missing.
    """
    if not records or not all(isinstance(record, Mapping) for record in records):
        raise ValueError(f"{name}: expected a list of dictionaries, found {_type_name(records)}")
    keys = list(dict.fromkeys(key for record in records for key in record))
    columns = {key: _column(key, records, name) for key in keys}
    counts: Counter[str] = Counter(records=len(records))
    with ColumnWriter(path, {_column_name(key): column for key, column in columns.items()}) as writer:
        for number, record in enumerate(records):
            row = {}
            for key, column in columns.items():
                value = _value(key, record)
                if column.kind in ("text", "texts"):
                    value = _as_text(value, column.kind, f"{name}, record {number}, key {key!r}")
                counts[f"without {key}"] += value is None
                row[_column_name(key)] = _empty(key, column, name) if value is None else value
            writer.append(row)
        writer.meta.update(counts=dict(counts))
    return {key: count for key, count in counts.items() if count}


def _as_text(value: Any, kind: str, where: str) -> Any:
    """Return a text, or a list of texts; NaN and None, which tables have for a missing text, are empty.

    Raises:
        ValueError: It is anything else.
    """
    several = kind == "texts" and isinstance(value, (list, tuple))
    parts = ["" if is_missing_text(each) else each for each in (value if several else [value])]
    if wrong := [each for each in parts if not isinstance(each, str)]:
        raise ValueError(f"{where}: {wrong[0]!r} is no text")
    if several:
        return parts
    return None if is_missing_text(value) else ([value] if kind == "texts" else value)


def _column_name(key: Any) -> str:
    return str(key).replace("-", "_").replace(" ", "_")


def _value(key: str, record: Mapping[str, Any]) -> Any:
    value = plain(record.get(key))
    if isinstance(value, np.ndarray) and key == AUDIO and value.ndim == 2:
        return value.T
    return value


def _column(key: str, records: Sequence[Mapping[str, Any]], name: str) -> Column:
    """Return the column of a key, of the kind of the first non-empty value."""
    value = next((value for record in records if not _is_empty(value := _value(key, record))), None)
    if isinstance(value, str):
        return text()
    if isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value):
        return texts()
    if value is None:
        return texts()
    try:
        found = np.asarray(value)
        values = (_value(key, record) for record in records)
        kinds = {np.asarray(each).dtype for each in values if not _is_empty(each)}
        dtype = np.result_type(*kinds)  # no value loses precision
        return ragged(dtype, *found.shape[1:]) if found.ndim == 2 else scalar(dtype, *found.shape)
    except ValueError as error:
        raise ValueError(
            f"{name}, key {key!r}: expected numbers or texts, found {_type_name(value)}"
        ) from error


def _is_empty(value: Any) -> bool:
    """Return whether a value is None or has no elements, so that the kind of its column is unknown."""
    return value is None or (isinstance(value, (list, tuple, np.ndarray)) and len(np.atleast_1d(value)) == 0)


def _empty(key: str, column: Column, name: str) -> Any:
    if column.kind == "scalar":
        raise ValueError(f"{name}: a record lacks {key!r}, whose numbers or arrays cannot be empty")
    return "" if column.kind == "text" else []


def _type_name(value: Any) -> str:
    if isinstance(value, Sequence) and value and not isinstance(value, str):
        return f"{type(value).__name__} of {type(value[0]).__name__}"
    return type(value).__name__
