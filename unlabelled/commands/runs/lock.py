"""Folders of checkpoints that one training writes to, and no second one at the same time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

_TAKEN = (errno.EACCES, errno.EAGAIN)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a folder of checkpoints.

    The lock is one of the operating system on a file beside the folder, so that it ends with the process,
    however that ends. On a file system without locks there is none.

    Raises:
        ValueError: Another process has the lock.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.with_name(f".{folder.name}.lock")
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN:
                raise ValueError(_taken(folder, path)) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} of {socket.gethostname()}")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _taken(folder: Path, path: Path) -> str:
    owner = path.read_text("utf-8") or "an unknown process"
    return (
        f"{folder}: another training writes its checkpoints there ({owner}); wait for its end, give this one "
        f"another --run, or remove {path} if that machine has failed"
    )
