"""Where derived files go, and how several processes may write the same one at once."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

FOLDER = ".unlabelled"


def derived_folder(beside: str, name: str = "") -> str:
    """``<beside>/.unlabelled/<name>``, created; where that cannot be written, one of the user's own.

    The other one is ``$XDG_CACHE_HOME/unlabelled/<hash of beside>/<name>`` (``~/.cache`` by default).

    Raises:
        OSError: Neither can be written.
    """
    beside = os.path.abspath(beside)
    preferred = os.path.join(beside, FOLDER, name)
    if _writable(preferred):
        return preferred
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.join(Path.home(), ".cache")
    other = os.path.join(caches, "unlabelled", short_hash(beside), name)
    if _writable(other):
        return other
    raise OSError(
        f"cannot write to {preferred} nor to {other}: make one of them writable, "
        f"or set XDG_CACHE_HOME to a folder that is"
    )


def _writable(folder: str) -> bool:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def short_hash(text: str) -> str:
    """Sixteen hexadecimal digits that name ``text``."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def write_atomically(path: str, write: Callable[[BinaryIO], object]) -> None:
    """Have ``write`` fill a temporary file, then put it in place in one step.

    Readers see the old file or the whole new one; of several writers the last one wins.
    """
    handle, temporary = tempfile.mkstemp(prefix=".part-", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        os.chmod(temporary, 0o644)  # mkstemp keeps it private, but data folders are shared
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
