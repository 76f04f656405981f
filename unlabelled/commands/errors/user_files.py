"""Check the files of the command line: configurations and the checkpoint."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import yaml


def unreadable(files: Sequence[str]) -> str | None:
    """Return what is wrong with the first file that is no YAML mapping, and where; ``None`` if all are."""
    for file in files:
        try:
            content = yaml.safe_load(Path(file).read_text("utf-8"))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            position = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            return f"{file}{position}: not YAML: {error.problem}"
        except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
            return f"{file}: not YAML: {error}"
        if not isinstance(content, dict):
            return f"{file}: expected options by name (NAME: VALUE), got {type(content).__name__}"
    return None


def location(pattern: str, files: Sequence[str]) -> str:
    """Return `` (FILE, line N)`` if a pattern matches in exactly one line of all files, else nothing.

    Args:
        pattern: The regular expression, for whole words; the empty one matches nothing.
        files: Paths of text files; unreadable ones are left out.
    """
    words = re.compile(rf"(?<![\w.])(?:{pattern})(?!\w)")
    found = []
    for file in files:
        try:
            lines = Path(file).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        numbers = [number for number, line in enumerate(lines, 1) if pattern and words.search(line)]
        found += [f" ({file}, line {number})" for number in numbers]
    return found[0] if len(found) == 1 else ""


def check_checkpoint(path: str | None) -> None:
    """Check ``--ckpt_path`` before the run begins.

    Args:
        path: The path of a file. Other values (``best``, ``last``, ``hpc``, a URL, a folder of shards) are
            not
            checked: Lightning resolves them.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no checkpoint, or is incomplete.
    """
    if path is None or path in ("best", "last", "hpc") or ":" in path or Path(path).is_dir():
        return
    if not Path(path).is_file():
        raise FileNotFoundError(f"ckpt_path: there is no file {path!r}; give the path of a checkpoint")
    if not zipfile.is_zipfile(path):  # the index is at the end, so a truncated file has none
        raise ValueError(f"ckpt_path: {path!r} is no checkpoint, or is incomplete; give another checkpoint")
