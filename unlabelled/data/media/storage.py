"""Folders of derived files, and writing by several processes at the same time."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

from unlabelled.data.inside import link_out

FOLDER = ".unlabelled"


def derived_folder(beside: str, name: str = "") -> str:
    """Create and return ``<beside>/.unlabelled/<name>``, or a folder of the user if that is not writable.

    A link ``<name>`` out of ``beside`` is not followed, as it came with the data.

    The folder of the user is ``$XDG_CACHE_HOME/unlabelled/<hash of beside>/<name>`` (``~/.cache`` by
    default).

    Raises:
        OSError: Neither is writable.
    """
    beside = os.path.abspath(beside)
    preferred = os.path.join(beside, FOLDER, name)
    inside = not (os.path.islink(preferred) and link_out(beside, os.path.join(FOLDER, name)))
    if inside and _writable(preferred):
        return preferred
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.join(Path.home(), ".cache")
    other = os.path.join(caches, "unlabelled", short_hash(beside), name)
    if _writable(other):
        return other
    raise OSError(
        f"neither {preferred} nor {other} is writable: make one of them writable, "
        f"or set XDG_CACHE_HOME to a writable folder"
    )


def _writable(folder: str) -> bool:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def short_hash(text: str) -> str:
    """Return a hash of ``text``, 16 hexadecimal digits.

    Example:
        >>> short_hash("a.mp4")
        'e6d48eabd560bc60'
    """
    return short_hash_of([text])


def short_hash_of(parts: Iterable[str]) -> str:
    """Return the :func:`short_hash` of a text that is given in parts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def open_plain(path: str) -> BinaryIO:
    """Open a stored file for reading; a pipe, which could be waited for without end, is refused.

    Raises:
        OSError: There is no such file, it cannot be read, or it is no plain file.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(f"{path} is no plain file")
    return file


def read_record(path: str | Path) -> dict[str, Any] | None:
    """Return a JSON object that was stored; None: there is none that can be read."""
    try:
        with open_plain(str(path)) as file:
            content = json.loads(file.read())
    except (OSError, ValueError, RecursionError):  # what is damaged is written again
        return None
    return content if isinstance(content, dict) else None


def read_sealed(path: str) -> dict[str, Any]:
    """Return the content of a file of :func:`write_sealed`.

    Raises:
        OSError: It cannot be read.
        ValueError: It was changed or cut, or is another file.
    """
    with open_plain(path) as file:
        checksum, _, text = file.read().decode().partition("\n")
    if checksum != _seal(path, text):
        raise ValueError(f"the checksum of {path} differs")
    try:
        content: dict[str, Any] = json.loads(text)
    except RecursionError as error:
        raise ValueError(f"{path} is damaged") from error
    return content


def write_sealed(path: str, content: dict[str, Any]) -> None:
    """Write JSON with a checksum of the content and of the file's name, which has to identify the content.

    Raises:
        OSError: It cannot be written.
    """
    text = json.dumps(content, indent=0)
    data = f"{_seal(path, text)}\n{text}".encode()
    write_atomically(path, lambda file: file.write(data))


def _seal(path: str, text: str) -> str:
    return short_hash_of([os.path.basename(path), "\n", text])


def write_atomically(path: str, write: Callable[[BinaryIO], object]) -> None:
    """Write a temporary file with ``write``, then rename it to ``path``.

    Readers find the old file or the complete new one; if there are several writers, the last one is kept.
    """
    handle, temporary = tempfile.mkstemp(prefix=".part-", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        os.chmod(temporary, 0o644)  # mkstemp makes it private, but data folders are shared
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
