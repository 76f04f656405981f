"""The tables of a sweep: rows and columns with the mean and the standard deviation over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from unlabelled.commands.sweep.plan import Cell, Sweep
from unlabelled.data.media.storage import write_atomically
from unlabelled.environment import describe

Scores = Mapping[Cell, Mapping[str, float]]


def write_tables(sweep: Sweep, scores: Scores, out: Path, command: str) -> None:
    """Write ``table.md``: one table for each score, with the command and the environment.

    Args:
        sweep: The sweep.
        scores: Scores of the completed runs.
        out: Folder of the file.
        command: The command line, for the reader.
    """
    parts = [f"# {sweep.title}"]
    parts += [f"## {name}\n\n{markdown(sweep, scores, name)}" for name in [*sweep.scores, "seconds"]]
    parts += [f"Mean ± standard deviation over seeds (n - 1). `{command}`", f"```\n{describe().strip()}\n```"]
    text = "\n\n".join(parts) + "\n"
    write_atomically(str(out / "table.md"), lambda file: file.write(text.encode()))


def markdown(sweep: Sweep, scores: Scores, name: str) -> str:
    """Return the table of one score, with the mean over columns and the smallest column."""
    lines = ["| | " + " | ".join([*sweep.columns, "mean", "least"]) + " |"]
    lines.append("|---" * (len(sweep.columns) + 3) + "|")
    for row in sweep.rows:
        cells = [_values(scores, row, column, name) for column in sweep.columns]
        means = [statistics.fmean(values) for values in cells if values]
        texts = [_cell(values) for values in cells]
        complete = len(means) == len(cells)
        texts += [f"{statistics.fmean(means):.3f}", f"{min(means):.3f}"] if complete else ["", ""]
        lines.append(f"| {row} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def _values(scores: Scores, row: str, column: str, name: str) -> list[float]:
    return [
        each[name]
        for cell, each in scores.items()
        if (cell.row, cell.column) == (row, column) and name in each
    ]


def _cell(values: Sequence[float]) -> str:
    if not values:
        return ""
    mean = f"{statistics.fmean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.3f}"
