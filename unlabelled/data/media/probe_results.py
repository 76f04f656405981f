"""Results of probing, stored until the file changes."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from unlabelled.data.media.disk import state_of
from unlabelled.data.media.probe import MISSING, Probe
from unlabelled.data.media.storage import derived_folder, read_sealed, short_hash_of, write_sealed

_log = logging.getLogger(__name__)

# To be raised when results may differ from those of earlier versions: all files are then probed again.
_VERSION = 4


class ProbeResults:
    """`Probe` by path, stored as JSON: ``{"files": {path: [size, mtime_ns, duration, reason, ...]}}``.

    A line before it has a checksum; nothing is believed of a file that was changed or cut, or is one of
    another split, key or version. A media file whose size or modification time differs is probed again.

    Args:
        root: Folder that ``paths`` are relative to.
        split: A part of the file's name.
        key: Text, in parts, on which the results depend besides the files; each key has its own file.
        paths: Relative to ``root``, with forward slashes.
    """

    def __init__(self, root: str, split: str, key: Iterable[str], paths: Sequence[str]) -> None:
        self.root = os.path.abspath(root)
        self.file = _file_for(self.root, re.sub(r"[^\w.-]", "_", split), chain((str(_VERSION),), key))
        self.known = self._read()
        self.states = {path: self._state(path) for path in paths}

    def __getitem__(self, path: str) -> Probe:
        if self.states[path] is None:
            return Probe(0.0, MISSING)
        return Probe(*self.known[path][2:])

    def stale(self) -> dict[str, str]:
        """Return the path by full path of the files to probe: new and changed ones."""
        return {
            self._full(path): path
            for path, state in self.states.items()
            if state is not None and tuple(self.known.get(path, ())[:2]) != state
        }

    def add(self, path: str, result: Probe) -> None:
        """Store a result for the state that the file had when this object was created."""
        values = [*result]
        while len(values) > 2 and values[-1] == Probe._field_defaults[Probe._fields[len(values) - 1]]:
            values.pop()
        self.known[path] = [*(self.states[path] or (0, 0)), *values]

    def save(self) -> None:
        """Write the file in one step; a failure is logged, and the files are probed again next time."""
        if not self.file:
            return
        files = {path: self.known[path] for path in self.states if path in self.known}
        try:
            write_sealed(self.file, {"root": self.root, "files": files})
        except OSError as error:
            _log.warning(
                "the check of %s will be repeated next time: cannot write its results: %s", self.root, error
            )

    def _read(self) -> dict[str, list[Any]]:
        try:
            files = read_sealed(self.file)["files"].items()
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            _log.warning("the files of %s are checked again: %s", self.root, error)
            return {}
        return {path: values for path, values in files if _is_verdict(values)}

    def _full(self, path: str) -> str:
        return os.path.join(self.root, *path.split("/"))

    def _state(self, path: str) -> tuple[int, int] | None:
        """Return the size and the modification time; `None`: no such file."""
        try:
            return state_of(self._full(path))
        except (OSError, ValueError):
            return None


def _is_verdict(values: Any) -> bool:
    """Return whether stored values are a state and a :class:`Probe`, with numbers that can be."""
    if not isinstance(values, list) or not 4 <= len(values) <= 2 + len(Probe._fields):
        return False
    size, modified, duration, reason, *rest = values
    times, texts = (duration, *rest[:1]), (reason or "", *rest[1:])
    return (
        isinstance(size, int)
        and isinstance(modified, int)
        and all(isinstance(time, int | float) and 0 <= time < math.inf for time in times)
        and all(isinstance(text, str) for text in texts)
    )


def _file_for(root: str, split: str, key: Iterable[str]) -> str:
    try:
        return os.path.join(derived_folder(root), f"index-{split}-{short_hash_of(key)}.json")
    except OSError as error:
        _log.warning("the check of %s will be repeated every time: %s", root, error)
        return ""
