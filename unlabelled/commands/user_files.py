"""The files named on the command line: where in a configuration a mistake stands, is a checkpoint whole."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import yaml


def unreadable(files: Sequence[str]) -> str | None:
    """Say what is wrong with the first file that is no YAML mapping, and where."""
    for file in files:
        try:
            content = yaml.safe_load(Path(file).read_text("utf-8"))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            return f"{file}{place}: not YAML: {error.problem}"
        except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
            return f"{file}: not YAML: {error}"
        if not isinstance(content, dict):
            return f"{file}: expected options by name (NAME: VALUE), got {type(content).__name__}"
    return None


def location(pattern: str, files: Sequence[str]) -> str:
    """Return `` (FILE, line N)`` if the regular expression is found in one line of one file only.

    It must match whole words; an empty one is found nowhere.
    """
    words = re.compile(rf"(?<![\w.])(?:{pattern})(?!\w)")
    places = []
    for file in files:
        try:
            lines = Path(file).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        numbers = [number for number, line in enumerate(lines, 1) if pattern and words.search(line)]
        places += [f" ({file}, line {number})" for number in numbers]
    return places[0] if len(places) == 1 else ""


def check_checkpoint(path: str | None) -> None:
    """Look at ``--ckpt_path`` before the run begins.

    Args:
        path: A file; other things that Lightning takes (``best``, ``last``, ``hpc``, a URL, a folder of
            shards) are left to it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no checkpoint, or not a whole one.
    """
    if path is None or path in ("best", "last", "hpc") or ":" in path or Path(path).is_dir():
        return
    if not Path(path).is_file():
        raise FileNotFoundError(f"ckpt_path: there is no file {path!r}")
    if not zipfile.is_zipfile(path):  # the table of contents comes last, so a file cut short has none
        raise ValueError(f"ckpt_path: {path!r} is no checkpoint, or was not written to its end")
