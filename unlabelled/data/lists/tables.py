"""Tables with named columns: CSV, TSV and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unlabelled.data.lists.text import read_lines, read_text

_JSON = (".jsonl", ".ndjson", ".json")
TABLE_SUFFIXES = (".csv", ".tsv", *_JSON)
_DELIMITERS = ",;\t"
_LONGEST_FIELD = 1 << 24  # characters; the module's own limit is below that of some captions


@dataclass(frozen=True)
class Record:
    """One row of a table.

    Attributes:
        values: Text by column, without surrounding spaces.
        where: File and row, for messages.
    """

    values: dict[str, str]
    where: str


def read_records(path: str | Path, required: Sequence[str], delimiter: str | None = None) -> list[Record]:
    """Return the rows of a table, whose first row names the columns; those of JSON lines are objects.

    Column names are compared in lower case. Empty rows are skipped.

    Args:
        path: A file that ends in .csv, .tsv, .jsonl, .ndjson or .json; any other ending is read as CSV.
        required: Columns that each row must have.
        delimiter: Between columns; None: a tab in .tsv, otherwise the most frequent one of ``,`` ``;`` and
            tab in the first row.

    Raises:
        ValueError: A column is missing, or a row has another number of fields; the message names the row.
    """
    path = Path(path)
    if path.suffix.lower() in _JSON:
        return list(_json_lines(path, required))
    return list(_delimited(path, required, delimiter or ("\t" if path.suffix.lower() == ".tsv" else None)))


def _check_columns(where: str, names: Collection[str], required: Sequence[str], advice: str) -> None:
    if missing := [name for name in required if name not in names]:
        raise ValueError(f"{where}: there is no column {missing[0]!r}, but {', '.join(names)}; {advice}")


def _delimited(path: Path, required: Sequence[str], delimiter: str | None) -> Iterator[Record]:
    text = read_text(path)
    if delimiter is None:
        first = text.lstrip().partition("\n")[0]
        delimiter = max(_DELIMITERS, key=first.count)
    csv.field_size_limit(_LONGEST_FIELD)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    try:
        for fields in rows:
            if not any(field.strip() for field in fields):
                continue
            where = f"{path}, row {rows.line_num}"
            if header is None:
                header = [field.strip().lower() for field in fields]
                _check_columns(where, header, required, "name the columns in the first row")
                continue
            if len(fields) != len(header):
                raise ValueError(
                    f"{where}: {len(fields)} fields, but the {len(header)} columns {', '.join(header)}; "
                    "write fields that contain the delimiter in double quotes"
                )
            yield Record({name: text.strip() for name, text in zip(header, fields, strict=True)}, where)
    except csv.Error as error:
        raise ValueError(f"{path}, row {rows.line_num}: {error}") from error


def _json_lines(path: Path, required: Sequence[str]) -> Iterator[Record]:
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        where = f"{path}, row {number}"
        try:
            content = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{where}: not JSON ({error})") from error
        if not isinstance(content, dict):
            raise ValueError(f"{where}: expected an object, one per row, got {line[:40]!r}")
        values = {name.strip().lower(): _text(value) for name, value in content.items()}
        _check_columns(where, values, required, "each row has a value of each column")
        yield Record(values, where)


def _text(value: object) -> str:
    return "" if value is None else (value.strip() if isinstance(value, str) else json.dumps(value))
