"""Folders that the package fills itself: written once, whole or not at all, never over anybody's files."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_COMPLETE = "COMPLETE.json"
_PARTIAL = ".partial-"


class OwnFolder:
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

    @contextmanager
    def rewriting(self) -> Iterator[Path]:
        """Give a folder to write all parts into; afterwards they are put in place.

        What a killed call's last worker may still write goes there, and never between the files of this call.

        Raises:
            FileExistsError: ``root`` holds files that were not written by this writer.
        """
        self._claim()
        partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=self.folder))
        yield partial
        for name in self.parts:
            os.replace(partial / name, self.folder / name)
        partial.rmdir()
        draft = self.folder / f"{_COMPLETE}.tmp"
        draft.write_text(json.dumps(self.arguments, indent=2) + "\n", encoding="utf-8")
        os.replace(draft, self.folder / _COMPLETE)

    def _claim(self) -> None:
        """Make the folder ours, and empty of what earlier calls wrote; never touch anybody else's files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._mark.exists():
            found = sorted(path.name for path in self.folder.iterdir())
            if found:
                raise FileExistsError(
                    f"{self.folder} holds {found[0]!r} and was not written by {self.writer}, which would "
                    "overwrite it; give a new or an empty folder as root"
                )
            self._mark.touch()
        (self.folder / _COMPLETE).unlink(missing_ok=True)  # first: nothing half-removed may look finished
        for stale in [*(self.folder / name for name in self.parts), *self.folder.glob(f"{_PARTIAL}*")]:
            if stale.is_dir():
                # Under another name first: a killed call's last worker can then add no file meanwhile.
                shutil.rmtree(stale.rename(self.folder / f"{_PARTIAL}old-{stale.name}"))
            else:
                stale.unlink(missing_ok=True)
