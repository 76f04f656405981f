"""Small tables in the terminal."""

from __future__ import annotations

Table = dict[str, dict[str, float]]
"""Rows of named numbers."""

_NARROWEST = 10
_GAP = 2
_LARGE = 1e6


def format_table(tables: dict[str, Table]) -> str:
    """Lay out titled tables of one set of columns, as text.

    Args:
        tables: Rows by title.
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
    return max(_NARROWEST, max(map(len, [column, *cells])) + _GAP)


def _cell(value: float) -> str:
    return f"{value:.5e}" if abs(value) >= _LARGE else f"{value:.3f}"
