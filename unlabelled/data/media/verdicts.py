"""What probing said about each file, remembered until the file changes."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Sequence
from typing import Any

from unlabelled.data.media.probe import MISSING, Probe
from unlabelled.data.media.storage import derived_folder, short_hash, write_atomically

_log = logging.getLogger(__name__)

# Raised when a file's verdict may differ from that of earlier versions, so that all are probed afresh.
_VERSION = 1


class Verdicts:
    """`Probe` by path, kept as JSON: ``{"files": {path: [size, mtime_ns, duration, reason]}}``.

    Args:
        root: Folder that ``paths`` are relative to.
        split: Goes into the file's name.
        key: What the verdicts depend on besides the files themselves; another key, another file.
        paths: Relative to ``root``, with forward slashes.
    """

    def __init__(self, root: str, split: str, key: str, paths: Sequence[str]) -> None:
        self.root = os.path.abspath(root)
        self.file = _file_for(self.root, re.sub(r"[^\w.-]", "_", split), f"{_VERSION}{key}")
        self.known = self._read()
        self.states = {path: self._state(path) for path in paths}

    def __getitem__(self, path: str) -> Probe:
        if self.states[path] is None:
            return Probe(0.0, MISSING)
        _, _, duration, reason = self.known[path]
        return Probe(duration, reason)

    def stale(self) -> dict[str, str]:
        """Path by full path, of the files to probe: those that are new or have changed."""
        return {
            self._full(path): path
            for path, state in self.states.items()
            if state is not None and tuple(self.known.get(path, ())[:2]) != state
        }

    def add(self, path: str, result: Probe) -> None:
        """Take down a result, for the file as it was when this object was made."""
        self.known[path] = [*(self.states[path] or (0, 0)), *result]

    def save(self) -> None:
        """Replace the file, in one step. A full disk costs no more than the next check's time."""
        if not self.file:
            return
        files = {path: self.known[path] for path in self.states if path in self.known}
        text = json.dumps({"root": self.root, "files": files}, indent=0).encode()
        try:
            write_atomically(self.file, lambda file: file.write(text))
        except OSError as error:
            _log.warning("the check of %s will be repeated next time: cannot write %s", self.root, error)

    def _read(self) -> dict[str, list[Any]]:
        try:
            with open(self.file, encoding="utf-8") as file:
                return dict(json.load(file)["files"])
        except (OSError, ValueError, KeyError, TypeError):  # none yet, or not a whole one
            return {}

    def _full(self, path: str) -> str:
        return os.path.join(self.root, *path.split("/"))

    def _state(self, path: str) -> tuple[int, int] | None:
        """Size and time of change; `None`: no such file."""
        try:
            status = os.stat(self._full(path))
        except (OSError, ValueError):
            return None
        return status.st_size, status.st_mtime_ns


def _file_for(root: str, split: str, key: str) -> str:
    try:
        return os.path.join(derived_folder(root), f"index-{split}-{short_hash(key)}.json")
    except OSError as error:
        _log.warning("the check of %s will be repeated every time: %s", root, error)
        return ""
