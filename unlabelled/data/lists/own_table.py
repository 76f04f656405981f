"""The table of own files: path, label, start, end, split and caption."""

from __future__ import annotations

import math
import os
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from unlabelled.data.inside import check_paths
from unlabelled.data.left_out import list_left_out
from unlabelled.data.lists.tables import Record, read_records
from unlabelled.data.lists.text import one_line
from unlabelled.data.media.disk import is_file
from unlabelled.data.media.files import composed

COLUMNS = ("path", "label", "start", "end", "split", "caption")
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Split by its names in the column ``split``, and by those of folders."""


@dataclass(frozen=True)
class Listed:
    """One file, or a span of it.

    Attributes:
        path: Relative to the root, with forward slashes.
        label: Name of the class; empty: none.
        start: Beginning in seconds.
        end: End in seconds; None: that of the file.
        split: ``train``, ``val`` or ``test``; empty: not known.
        caption: A text; empty: none.
    """

    path: str
    label: str = ""
    start: float = 0.0
    end: float | None = None
    split: str = ""
    caption: str = ""


def read_table(
    root: str, table: str, on_disk: list[str], allow_outside: bool = False
) -> tuple[list[Listed], list[str]]:
    """Return the rows of a table of own files, and texts for the log.

    Args:
        root: Folder of the files.
        table: The table, relative to the root or to the working folder, or absolute.
        on_disk: The files below the root. A path that is not there is looked up in its other Unicode forms,
            and with backslashes as separators; if it is not found at all, it is kept, to be reported.
        allow_outside: Whether a path may lead out of the root.

    Raises:
        FileNotFoundError: There is no such table.
        OutsideRootError: A path leads out of the root, and this is not allowed.
        ValueError: A row is wrong; the message names file and row.
    """
    file = next((path for path in (Path(root, table), Path(table)) if path.is_file()), None)
    if file is None:
        raise FileNotFoundError(f"table: there is no file {table!r} in root={root!r}")
    records = read_records(file, ["path"])
    if not records:
        raise ValueError(f"{file}: no rows; expected a first row with the column path, then one row per file")
    find = _Finder(root, file.parent, on_disk, allow_outside)
    listed = [_listed(record, find) for record in records]
    if any(each.split for each in listed) and (unknown := [r for r in records if not r.values["split"]]):
        raise ValueError(
            f"{unknown[0].where}: split is empty, but other rows have one; write train, val or test"
        )
    names = dict.fromkeys(name for record in records for name in record.values)
    unused = [_unused(name, names) for name in names if name not in COLUMNS]
    rest = set(on_disk) - {each.path for each in listed}
    left_out = {"columns that are not used:": unused, "files that are not in the table:": sorted(rest)}
    return listed, [f"{file.name}: {text}" for text in list_left_out(left_out)]


def _unused(name: str, names: Collection[str]) -> str:
    """Return the name of a column that is not used, with the one that it may stand for."""
    near = get_close_matches(name, [column for column in COLUMNS if column not in names], n=1)
    return f"{name}; did you mean {near[0]}?" if near else name


def _listed(record: Record, find: _Finder) -> Listed:
    values = record.values
    if not values["path"]:
        raise ValueError(f"{record.where}: path is empty; name a file below the root")
    start, end = _seconds(record, "start"), _seconds(record, "end")
    if end is not None and end <= (start or 0.0):
        raise ValueError(f"{record.where}: end={values['end']} is not after start={values.get('start') or 0}")
    split = values.get("split", "").lower()
    if split and split not in SPLIT_NAMES:
        raise ValueError(f"{record.where}: split={values['split']!r} is not one of train, val and test")
    return Listed(
        path=find(values["path"], record.where),
        label=one_line(values.get("label", "")),
        start=start or 0.0,
        end=end,
        split=SPLIT_NAMES.get(split, ""),
        caption=one_line(values.get("caption", "")),
    )


def _seconds(record: Record, name: str) -> float | None:
    """Return a time in seconds, also of ``minutes:seconds`` and ``hours:minutes:seconds``; None: no value."""
    text = record.values.get(name, "")
    if not text:
        return None
    try:
        parts = [float(part) for part in text.replace(",", ".").split(":")]
    except ValueError:
        parts = []
    seconds = sum(part * 60.0**power for power, part in enumerate(reversed(parts)))
    if not 1 <= len(parts) <= 3 or not math.isfinite(seconds) or min(parts) < 0:
        raise ValueError(
            f"{record.where}: {name}={text!r} is not a time; write seconds (12.5) or [hours:]minutes:seconds"
        )
    return seconds


class _Finder:
    """Finds the file of a path in a table."""

    def __init__(self, root: str, beside: Path, on_disk: list[str], allow_outside: bool) -> None:
        self.root, self.beside, self.allow_outside = root, beside, allow_outside
        self.real = os.path.realpath(root)
        self.known = set(on_disk)
        self.by_form = {composed(path): path for path in on_disk}

    def __call__(self, text: str, where: str) -> str:
        path = self._find(text)
        if not self.allow_outside and path not in self.known:
            check_paths(self.root, [path], where)
        return path

    def _find(self, text: str) -> str:
        for path in (text, text.replace("\\", "/")):
            for folder in (self.root, str(self.beside)):
                below = self._below(os.path.join(folder, path))
                if below in self.known or is_file(os.path.join(folder, path)):
                    return below
                if (found := self.by_form.get(composed(below))) is not None:
                    return found
        below = self._below(os.path.join(self.root, text))
        return text if below.startswith("../") else below

    def _below(self, path: str) -> str:
        """Return a path relative to the root, also if it names the folder that the root is a link to."""
        below = Path(os.path.relpath(path, self.root)).as_posix()
        if below.startswith("../") and not (real := os.path.relpath(path, self.real)).startswith("../"):
            return Path(real).as_posix()
        return below
