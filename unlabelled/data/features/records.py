"""Retrieval sets as they are published: lists of dictionaries of features, turned into tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unlabelled.data.features.column_format import Column, ragged, scalar, text, texts
from unlabelled.data.features.column_writer import ColumnWriter
from unlabelled.data.features.safe_pickle import plain

AUDIO = "audio"


def write_records(path: str, records: Sequence[Mapping[str, Any]], name: str) -> dict[str, int]:
    """Write a table with a column for each key of the records.

    Texts become a column of texts, lists of texts one of lists, matrices ``(n, dim)`` (features over time)
    one of ragged arrays, other numbers and arrays one of arrays. Spectrograms ``(bands, frames)`` under
    ``audio`` are turned round: their rows are frames. Where a record lacks a key, or has None, its matrix,
    list or text is empty, and that is counted.

    Args:
        path: The folder to write.
        records: One after the other; the published ones have ``id``, ``2d``, ``3d``, ``audio``, ``caption``.
        name: Of the file, for messages.

    Returns:
        The number of ``records``, and of those that lack something: ``without <key>``.

    Raises:
        ValueError: Records disagree about what a key holds, or a number is missing.
    """
    if not records or not all(isinstance(record, Mapping) for record in records):
        raise ValueError(f"{name}: expected a list of dictionaries, found {_shown(records)}")
    keys = list(dict.fromkeys(key for record in records for key in record))
    columns = {key: _column(key, records, name) for key in keys}
    counts: Counter[str] = Counter(records=len(records))
    with ColumnWriter(path, {_column_name(key): column for key, column in columns.items()}) as writer:
        for record in records:
            row = {}
            for key, column in columns.items():
                value = _value(key, record)
                counts[f"without {key}"] += value is None
                row[_column_name(key)] = _empty(key, column, name) if value is None else value
            writer.append(row)
        writer.meta.update(counts=dict(counts))
    return {key: count for key, count in counts.items() if count}


def _column_name(key: Any) -> str:
    return str(key).replace("-", "_").replace(" ", "_")


def _value(key: str, record: Mapping[str, Any]) -> Any:
    value = plain(record.get(key))
    if isinstance(value, np.ndarray) and key == AUDIO and value.ndim == 2:
        return value.T
    return value


def _column(key: str, records: Sequence[Mapping[str, Any]], name: str) -> Column:
    """Return the kind of column for what the first record with a value has under a key."""
    value = next((value for record in records if not _says_nothing(value := _value(key, record))), None)
    if isinstance(value, str):
        return text()
    if isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value):
        return texts()
    if value is None:
        return texts()
    try:
        found = np.asarray(value)
        values = (_value(key, record) for record in records)
        kinds = {np.asarray(each).dtype for each in values if not _says_nothing(each)}
        dtype = np.result_type(*kinds)  # nothing is narrowed
        return ragged(dtype, *found.shape[1:]) if found.ndim == 2 else scalar(dtype, *found.shape)
    except ValueError as error:
        raise ValueError(f"{name}, key {key!r}: expected numbers or texts, found {_shown(value)}") from error


def _says_nothing(value: Any) -> bool:
    """Whether a value does not tell what kind of column it belongs to."""
    return value is None or (isinstance(value, (list, tuple, np.ndarray)) and len(np.atleast_1d(value)) == 0)


def _empty(key: str, column: Column, name: str) -> Any:
    if column.kind == "scalar":
        raise ValueError(f"{name}: a record lacks {key!r}, a number or an array that cannot be empty")
    return "" if column.kind == "text" else []


def _shown(value: Any) -> str:
    if isinstance(value, Sequence) and value and not isinstance(value, str):
        return f"{type(value).__name__} of {type(value[0]).__name__}"
    return type(value).__name__
