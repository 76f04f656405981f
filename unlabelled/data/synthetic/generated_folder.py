"""Folders of generated files: written once, completely or not at all, without overwriting other files."""

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

from unlabelled.data.media.storage import read_record

log = logging.getLogger(__name__)

_COMPLETE = "COMPLETE.json"
_PARTIAL = ".partial-"
_LOCK = ".lock"


class GeneratedFolder:
    """A folder of files that are a function of ``arguments``.

    Args:
        root: The folder; created if missing.
        arguments: Arguments that determine the files; stored beside them, as JSON.
        parts: Names of the files and folders below ``root``.
        writer: Name of the function that writes the files, for the marker file and for messages.
    """

    def __init__(self, root: str, arguments: dict[str, Any], parts: Sequence[str], writer: str) -> None:
        self.folder, self.arguments, self.parts, self.writer = Path(root), arguments, parts, writer
        self._marker = self.folder / f".{writer.removeprefix('write_')}"

    def is_finished(self) -> bool:
        """Return whether all files of these arguments exist."""
        return read_record(self.folder / _COMPLETE) == self.arguments

    def fill(self, write: Callable[[Path], None]) -> None:
        """Write all parts into a temporary folder and move them to the folder; no effect if it is finished.

        Workers of a killed call may still write to their own temporary folder, but not to this one. If
        several processes call this method, the first one writes and the others wait. Files of other arguments
        are removed at the end.

        Args:
            write: Function that writes all parts into the folder that it is given.

        Raises:
            FileExistsError: ``root`` holds files that were not written by this writer.
        """
        if self.is_finished():
            return
        self._claim()
        with self._locked():
            if not self.is_finished():
                self._rewrite(write)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.folder / _LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.warning("%s: waiting for another process that writes to it", self.folder)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _rewrite(self, write: Callable[[Path], None]) -> None:
        self._remove(self.folder.glob(f"{_PARTIAL}*"))
        partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=self.folder))
        write(partial)
        # Removed first: an incomplete folder must not look finished.
        (self.folder / _COMPLETE).unlink(missing_ok=True)
        self._remove(self.folder / name for name in self.parts)
        for name in self.parts:
            os.replace(partial / name, self.folder / name)
        partial.rmdir()
        draft = self.folder / f"{_COMPLETE}.tmp"
        draft.write_text(json.dumps(self.arguments, indent=2) + "\n", encoding="utf-8")
        os.replace(draft, self.folder / _COMPLETE)

    def _claim(self) -> None:
        """Mark the folder as generated.

        Raises:
            FileExistsError: It has other files.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        found = sorted(path.name for path in self.folder.iterdir())
        if not self._marker.exists():  # checked last: another call may have marked the folder meanwhile
            if found:
                raise FileExistsError(
                    f"{self.folder} holds {found[0]!r} and was not written by {self.writer}, which would "
                    "overwrite it; give a new or an empty folder as root"
                )
            self._marker.touch()

    def _remove(self, paths: Iterable[Path]) -> None:
        for path in list(paths):
            if path.is_dir():
                # Renamed first, so that workers of a killed call cannot add files meanwhile.
                shutil.rmtree(path.rename(self.folder / f"{_PARTIAL}old-{path.name}"))
            else:
                path.unlink(missing_ok=True)
