"""Small tables in the terminal."""

from __future__ import annotations

Table = dict[str, dict[str, float]]
"""Rows of named numbers."""


def format_table(tables: dict[str, Table]) -> str:
    """Lay out titled tables of one set of columns, as text.

    Args:
        tables: Rows by title.
    """
    columns = list(next(iter(next(iter(tables.values())).values())))
    width = max(len(row) for table in tables.values() for row in table) + 4
    lines = []
    for title, table in tables.items():
        lines.append(title.ljust(width) + "".join(column.rjust(10) for column in columns))
        for row, values in table.items():
            lines.append(f"  {row}".ljust(width) + "".join(f"{values[key]:10.3f}" for key in columns))
    return "\n".join(lines)
