"""Tables of scores, in the terminal and in the logs."""

from __future__ import annotations

from lightning import Trainer

from callbacks.shared.loggers import publish_text

Table = dict[str, dict[str, float]]
"""Values by row and column."""

_MIN_WIDTH = 10
_GAP = 2
_LARGE = 1e6


def print_tables(trainer: Trainer, tables: dict[str, Table], name: str) -> None:
    """Print tables, and add them to the logs as the text ``name``; on rank 0 only.

    Args:
        trainer: The trainer of the run.
        tables: Tables with the same columns, by title; those without rows are left out.
        name: Name of the text.
    """
    if not trainer.is_global_zero:
        return
    text = format_table({title: table for title, table in tables.items() if table})
    print(f"\n{text}\n")
    publish_text(trainer, name, f"```\n{text}\n```")


def format_table(tables: dict[str, Table]) -> str:
    """Return tables with the same columns, by title, as text.

    >>> print(format_table({"k-NN, test": {"video, k=20": {"accuracy": 0.5, "top5": 0.75}}}))
    k-NN, test       accuracy      top5
      video, k=20       0.500     0.750
    """
    rows = [row for table in tables.values() for row in table]
    first = max(map(len, [*rows, *tables])) + 4
    columns = {name: _width(name, tables) for name in next(iter(next(iter(tables.values())).values()))}
    lines = []
    for title, table in tables.items():
        lines.append(title.ljust(first) + "".join(name.rjust(width) for name, width in columns.items()))
        for row, values in table.items():
            cells = "".join(_cell(values[name]).rjust(width) for name, width in columns.items())
            lines.append(f"  {row}".ljust(first) + cells)
    return "\n".join(lines)


def _width(column: str, tables: dict[str, Table]) -> int:
    cells = [_cell(values[column]) for table in tables.values() for values in table.values()]
    return max(_MIN_WIDTH, max(map(len, [column, *cells])) + _GAP)


def _cell(value: float) -> str:
    return f"{value:.5e}" if abs(value) >= _LARGE else f"{value:.3f}"
