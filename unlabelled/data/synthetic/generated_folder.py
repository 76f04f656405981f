"""Folders that the package fills itself: written once, whole or not at all, never over anybody's files."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)

_COMPLETE = "COMPLETE.json"
_PARTIAL = ".partial-"
_LOCK = ".lock"


class GeneratedFolder:
    """A folder of files that follow from ``arguments``.

    Args:
        root: The folder; created where missing.
        arguments: What the files follow from; stored beside them, as JSON.
        parts: Names of the files and folders below ``root`` that make it up.
        writer: Name of the function that fills it, for its mark and for messages.
    """

    def __init__(self, root: str, arguments: dict[str, Any], parts: Sequence[str], writer: str) -> None:
        self.folder, self.arguments, self.parts, self.writer = Path(root), arguments, parts, writer
        self._mark = self.folder / f".{writer.removeprefix('write_')}"

    def is_finished(self) -> bool:
        """Whether the files of these very arguments are all there."""
        try:
            stored = json.loads((self.folder / _COMPLETE).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return False
        return bool(stored == self.arguments)

    def fill(self, write: Callable[[Path], None]) -> None:
        """Have all parts written into a folder aside, and put in place; nothing to do if they are there.

        What a killed call's last worker may still write goes there, and never between the files of this call.
        Several processes wait for each other: the first one writes, those that want the same find it done.
        Files of other arguments are removed when all is written.

        Args:
            write: Called with the folder aside.

        Raises:
            FileExistsError: ``root`` holds files that were not written by this writer.
        """
        if self.is_finished():
            return
        self._claim()
        with self._alone():
            if not self.is_finished():
                self._rewrite(write)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock = FileLock(self.folder / _LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.warning("%s: waiting for another process, which writes to it", self.folder)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _rewrite(self, write: Callable[[Path], None]) -> None:
        self._remove(self.folder.glob(f"{_PARTIAL}*"))
        partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=self.folder))
        write(partial)
        (self.folder / _COMPLETE).unlink(missing_ok=True)  # first: nothing half-removed may look finished
        self._remove(self.folder / name for name in self.parts)
        for name in self.parts:
            os.replace(partial / name, self.folder / name)
        partial.rmdir()
        draft = self.folder / f"{_COMPLETE}.tmp"
        draft.write_text(json.dumps(self.arguments, indent=2) + "\n", encoding="utf-8")
        os.replace(draft, self.folder / _COMPLETE)

    def _claim(self) -> None:
        """Make the folder ours, unless it has somebody else's files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        found = sorted(path.name for path in self.folder.iterdir())
        if not self._mark.exists():  # looked at last: another call may just have made the folder its own
            if found:
                raise FileExistsError(
                    f"{self.folder} holds {found[0]!r} and was not written by {self.writer}, which would "
                    "overwrite it; give a new or an empty folder as root"
                )
            self._mark.touch()

    def _remove(self, paths: Iterable[Path]) -> None:
        for path in list(paths):
            if path.is_dir():
                # Under another name first: a killed call's last worker can then add no file meanwhile.
                shutil.rmtree(path.rename(self.folder / f"{_PARTIAL}old-{path.name}"))
            else:
                path.unlink(missing_ok=True)
