"""Check the configurations of the command line."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import yaml

_MOST_VALUES = 100_000


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


def unusable(files: Sequence[str]) -> str | None:
    """Return which file is not UTF-8, or has too many values with those of its aliases; else ``None``.

    A few lines of nested aliases (``*name``) may stand for more values than fit into memory. The file is not
    expanded here. Files that are no YAML are left out: see :func:`unreadable`.
    """
    for file in files:
        try:
            node = yaml.compose(Path(file).read_text("utf-8"), Loader=yaml.SafeLoader)
        except UnicodeDecodeError as error:
            return f"{file}: not UTF-8 at byte {error.start + 1}; save it as UTF-8"
        except (yaml.YAMLError, OSError):
            continue
        number = _num_values(node, {})
        if number > _MOST_VALUES:
            if math.isinf(number):
                return f"{file}: an alias (*name) stands in its own value; write the value itself"
            return f"{file}: {number:.1e} values with those of its aliases (*name), at most {_MOST_VALUES}"
    return None


def _num_values(node: yaml.Node | None, known: dict[int, float]) -> float:
    """Return the number of nodes below a node; infinite if it is below itself."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        known[id(node)] = math.inf  # until it is known, for a node that is its own alias
        parts = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
        known[id(node)] = 1 + sum(_num_values(part, known) for part in parts)
    return known[id(node)]


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
