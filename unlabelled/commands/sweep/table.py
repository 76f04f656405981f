"""The tables of a sweep: rows and columns with the mean and the standard deviation over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from unlabelled.commands.sweep.plan import MEAN, Cell, Sweep
from unlabelled.data.media.storage import write_atomically
from unlabelled.environment import describe

Scores = Mapping[Cell, Mapping[str, float]]
_SECONDS = "seconds"


def write_tables(sweep: Sweep, scores: Scores, out: Path, command: str) -> None:
    """Write ``table.md``: one table for each score, with the command and the environment.

    Args:
        sweep: The sweep.
        scores: Scores of the completed runs.
        out: Folder of the file.
        command: The command line, for the reader.
    """
    parts = [f"# {sweep.title}"]
    for name in (*sweep.scores, _SECONDS):
        unit = " (%)" if sweep.in_percent(name) else ""
        parts.append(f"## {name}{unit}\n\n{markdown(sweep, scores, name)}")
    parts += [f"Mean ± standard deviation over seeds (n - 1). `{command}`", f"```\n{describe().strip()}\n```"]
    text = "\n\n".join(parts) + "\n"
    write_atomically(str(out / "table.md"), lambda file: file.write(text.encode()))


def markdown(sweep: Sweep, scores: Scores, name: str) -> str:
    """Return the table of one score, with the mean over columns and the smallest column.

    Published numbers are in a column of their own after that of the measured ones.
    """
    published = sweep.published.get(name, {})
    known = {column for columns in published.values() for column in columns}
    titles = []
    for column in (*sweep.columns, MEAN):
        titles += [column, f"{column}, published"] if column in known else [column]
    factor = 100 if sweep.in_percent(name) else 1
    lines = ["| | " + " | ".join([*titles, "least"]) + " |", "|---" * (len(titles) + 2) + "|"]
    for row in sweep.rows:
        cells = {column: _values(scores, row, column, name, factor) for column in sweep.columns}
        mean, least = _summary(list(cells.values()), factor)
        texts = []
        for column, text in [*((column, _cell(cells[column], factor)) for column in cells), (MEAN, mean)]:
            texts += [text, f"{published.get(row, {}).get(column, '')}"] if column in known else [text]
        lines.append("| " + " | ".join([row, *texts, least]) + " |")
    return "\n".join(lines)


def _summary(cells: Sequence[Sequence[float]], factor: int) -> tuple[str, str]:
    """Return the mean and the least of the columns; nothing while one has no value."""
    if not all(cells):
        return "", ""
    means = [statistics.fmean(values) for values in cells]
    return _number(statistics.fmean(means), factor), _number(min(means), factor)


def _values(scores: Scores, row: str, column: str, name: str, factor: int) -> list[float]:
    return [
        factor * each[name]
        for cell, each in scores.items()
        if (cell.row, cell.column) == (row, column) and name in each
    ]


def _cell(values: Sequence[float], factor: int) -> str:
    if not values:
        return ""
    mean = _number(statistics.fmean(values), factor)
    return mean if len(values) == 1 else f"{mean} ± {_number(statistics.stdev(values), factor)}"


def _number(value: float, factor: int) -> str:
    return f"{value:.1f}" if factor == 100 else f"{value:.3f}"
