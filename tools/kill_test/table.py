"""The table of the results in a page."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.kill_test.places import PLACES

_SHORT = re.compile(r"([0-9a-f]{8})[0-9a-f]{32}")
_BEGIN, _END = "<!-- kill-test: begin -->\n", "<!-- kill-test: end -->\n"


def table(results: Sequence[dict[str, Any]]) -> str:
    """Return a table with a row for each demo: of how many kills how many runs ended equal.

    Example:
        >>> print(table([{"demo": "sce", "label": "random0", "equal": True, "commit": "a"}]).splitlines()[2])
        | `sce` | | | | | | | 1 of 1 |
    """
    kinds = [*PLACES, "random"]
    lines = [f"| Demo | {' | '.join([*PLACES, 'random time'])} |", "|---" * (len(kinds) + 1) + "|"]
    for demo in sorted({each["demo"] for each in results}):
        cells = [
            _cell([each for each in results if each["demo"] == demo and _kind(each) == kind])
            for kind in kinds
        ]
        lines.append(f"| `{demo}` |" + "".join(f" {cell} |" if cell else " |" for cell in cells))
    commits = ", ".join(sorted({_SHORT.sub(r"\1", str(each["commit"])) for each in results}))
    equal = sum(each["equal"] for each in results)
    total = f"In all {equal} of {len(results)} runs are equal. Commit {commits}; {processor()}."
    return "\n".join([*lines, "", total, ""])


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


def _kind(result: dict[str, Any]) -> str:
    return re.sub(r"\d+$", "", str(result["label"]))


def _cell(results: Sequence[dict[str, Any]]) -> str:
    return f"{sum(each['equal'] for each in results)} of {len(results)}" if results else ""
