"""Results of probing, stored until the file changes."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from unlabelled.data.media.disk import state_of
from unlabelled.data.media.probe import MISSING, Probe
from unlabelled.data.media.storage import derived_folder, short_hash, short_hash_of, write_atomically

_log = logging.getLogger(__name__)

# To be raised when results may differ from those of earlier versions: all files are then probed again.
_VERSION = 3


class ProbeResults:
    """`Probe` by path, stored as JSON: ``{"files": {path: [size, mtime_ns, duration, reason, ...]}}``.

    A line before it has the checksum of the rest; of a file that was changed or cut, nothing is believed.

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
        text = json.dumps({"root": self.root, "files": files}, indent=0)
        content = f"{short_hash(text)}\n{text}".encode()
        try:
            write_atomically(self.file, lambda file: file.write(content))
        except OSError as error:
            _log.warning(
                "the check of %s will be repeated next time: cannot write its results: %s", self.root, error
            )

    def _read(self) -> dict[str, list[Any]]:
        try:
            with open(self.file, encoding="utf-8") as file:
                checksum, _, text = file.read().partition("\n")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            _log.warning("the files of %s are checked again: cannot read %s: %s", self.root, self.file, error)
            return {}
        if checksum != short_hash(text):
            _log.warning(
                "the files of %s are checked again: the checksum of %s differs", self.root, self.file
            )
            return {}
        known: dict[str, list[Any]] = json.loads(text)["files"]
        return known

    def _full(self, path: str) -> str:
        return os.path.join(self.root, *path.split("/"))

    def _state(self, path: str) -> tuple[int, int] | None:
        """Return the size and the modification time; `None`: no such file."""
        try:
            return state_of(self._full(path))
        except (OSError, ValueError):
            return None


def _file_for(root: str, split: str, key: Iterable[str]) -> str:
    try:
        return os.path.join(derived_folder(root), f"index-{split}-{short_hash_of(key)}.json")
    except OSError as error:
        _log.warning("the check of %s will be repeated every time: %s", root, error)
        return ""
