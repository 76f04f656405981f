"""Features or similarities in a table of text: CSV, with or without a header and names of rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unlabelled.commands.errors.suggestions import hint
from unlabelled.data.lists.text import read_text
from unlabelled.hierarchy.tree import Floats

_DELIMITERS = "\t;,"


@dataclass(frozen=True, eq=False)
class TextTable:
    """A table whose columns of text are set apart from its numbers.

    Args:
        numbers: ``(n, d)`` float64.
        names: The names of the rows; None: the table has none.
        texts: The other columns of text by their name in the header.
    """

    numbers: Floats
    names: list[str] | None
    texts: dict[str, list[str]]


def read_csv(path: str, text_columns: Sequence[str] = ()) -> TextTable:
    """Return the table of a file whose fields are separated by tabs, semicolons or commas.

    The first row is a header if its first field is empty, as pandas writes an index, or if all others are
    text. The first column holds names of rows if it has text or no title.

    Args:
        path: The file.
        text_columns: Columns that are no features, by their names in the header.

    Raises:
        ValueError: A row has another number of fields, a field is no number, or a column is missing; the
            message names the row and the column.
    """
    rows = _rows(path)
    first = rows[0][1]
    has_header = not first[0] or all(map(_is_title, first[1:] or first))
    body_is_named = any(not _is_number(row[0]) for _, row in rows[has_header:])
    header = first if has_header else [str(number) for number in range(1, len(first) + 1)]
    body = rows[1:] if has_header else rows
    if missing := [name for name in text_columns if name not in header]:
        raise ValueError(f"{path}: there is no column {missing[0]!r}{hint(missing[0], header)}")
    is_named = header[0] not in text_columns and (body_is_named or (has_header and not header[0]))
    numeric = [n for n, name in enumerate(header) if name not in text_columns and not (n == 0 and is_named)]
    numbers = np.array([_numbers(path, line, row, header, numeric) for line, row in body], dtype=np.float64)
    return TextTable(
        numbers.reshape(len(body), len(numeric)),
        [row[0] for _, row in body] if is_named else None,
        {name: [row[header.index(name)] for _, row in body] for name in text_columns},
    )


def _rows(path: str) -> list[tuple[int, list[str]]]:
    """Return the lines and fields of all rows that are not empty, all of one length."""
    text = read_text(path)
    lines = text.splitlines()
    delimiter = max(_DELIMITERS, key=lines[0].count) if lines else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows = [(reader.line_num, [field.strip() for field in row]) for row in reader if any(map(str.strip, row))]
    if not rows:
        raise ValueError(f"{path}: the table is empty; expected a row of numbers per sample")
    for line, row in rows:
        if len(row) != len(rows[0][1]):
            raise ValueError(
                f"{path}, row {line}: {len(row)} fields, expected {len(rows[0][1])} as in the first row"
            )
    return rows


def _numbers(path: str, line: int, row: list[str], header: list[str], columns: list[int]) -> list[float]:
    for column in columns:
        if not _is_number(row[column]):
            raise ValueError(
                f"{path}, row {line}, column {header[column] or column + 1}: {row[column]!r} is no "
                "number; a column of text can only be the first one, the names of the rows, or the one that "
                "--labels or --names states"
            )
    return [float(row[column]) for column in columns]


def _is_title(field: str) -> bool:
    """True for text; a number with a decimal comma is no title, so that its row is refused, not skipped."""
    return bool(field) and not _is_number(field.replace(",", "."))


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field  # Python takes 1_000 for a number
