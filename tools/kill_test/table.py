"""The tables of the results in a page."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tools.kill_test.places import PLACES
from tools.kill_test.readers import READERS, SHIPPED, Readers

_SHORT = re.compile(r"([0-9a-f]{8})[0-9a-f]{32}")
_BEGIN, _END = "<!-- kill-test: begin -->\n", "<!-- kill-test: end -->\n"


def table(results: Sequence[dict[str, Any]]) -> str:
    """Return tables of how many runs ended equal: by the place of the kill, and by the processes that read.

    Example:
        >>> print(table([{"demo": "sce", "label": "random0", "equal": True, "commit": "a"}]).splitlines()[2])
        | `sce` | | | | | | | 1 of 1 |
    """
    shipped = [each for each in results if Readers.of(each) == SHIPPED]
    others = [each for each in results if Readers.of(each) != SHIPPED]
    places = {place: place for place in PLACES} | {"random": "random time"}
    lines = _rows(shipped, places, _place)
    if others:
        lines += ["", *_rows(others, {name: name for name in READERS}, _readers)]
    commits = ", ".join(sorted({_SHORT.sub(r"\1", str(each["commit"])) for each in results}))
    equal = sum(each["equal"] for each in results)
    total = f"In all {equal} of {len(results)} runs are equal. Commit {commits}; {processor()}."
    return "\n".join([*lines, "", total, ""])


def _rows(
    results: Sequence[dict[str, Any]], columns: dict[str, str], column: Callable[[dict[str, Any]], str]
) -> list[str]:
    """Return a table with a row for each demo.

    Args:
        results: The results.
        columns: Name of each column, and its heading.
        column: Returns the column of a result.
    """
    lines = [f"| Demo | {' | '.join(columns.values())} |", "|---" * (len(columns) + 1) + "|"]
    for demo in sorted({each["demo"] for each in results}):
        own = [each for each in results if each["demo"] == demo]
        cells = [_cell([each for each in own if column(each) == name]) for name in columns]
        lines.append(f"| `{demo}` |" + "".join(f" {cell} |" if cell else " |" for cell in cells))
    return lines


def write_table(page: Path, results: Sequence[dict[str, Any]]) -> None:
    """Replace what is between the two marks of a page.

    Raises:
        ValueError: The page has no marks.
    """
    text = page.read_text("utf-8")
    if _BEGIN not in text or _END not in text:
        raise ValueError(f"{page} has no lines {_BEGIN.strip()!r} and {_END.strip()!r}")
    before, rest = text.split(_BEGIN)
    page.write_text(f"{before}{_BEGIN}{table(results)}{_END}{rest.split(_END)[1]}", encoding="utf-8")


def processor() -> str:
    """Return the name of the processor, with the number of its cores."""
    cores = f"{os.cpu_count()} cores"
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.is_file() else None
    return f"{found.group(1).strip()}, {cores}" if found else cores


def _place(result: dict[str, Any]) -> str:
    return re.sub(r"\d+$", "", str(result["label"]))


def _readers(result: dict[str, Any]) -> str:
    return Readers.of(result).name


def _cell(results: Sequence[dict[str, Any]]) -> str:
    return f"{sum(each['equal'] for each in results)} of {len(results)}" if results else ""
