"""Check that data stay inside their root: paths in lists, and links on disk.

A root may itself be a link, and may be put together of links to folders, such as ``root/train`` on another
disk: whoever sets the root has made these. Any other link out of it came with the files.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable

_DRIVE = re.compile(r"[A-Za-z]:/")
_BELOW = "name a file below it, without `..` or a leading slash"
_ALLOW = "or set the option allow_outside (--data.init_args.allow_outside true)"


class OutsideRootError(ValueError):
    """A path of a list, or a link, leads out of the root of a data set."""


def check_listed(path: str, where: str, advice: str = _BELOW) -> str:
    """Return a path or an identifier of a list, which must not lead out of the folder that it begins in.

    Args:
        path: With forward slashes or backslashes.
        where: File and row, for the message.
        advice: What to do, for the message.

    Raises:
        OutsideRootError: It is absolute, or one of its folders is ``..``.

    Example:
        >>> check_listed("a/b.mp4", "list.csv, row 1")
        'a/b.mp4'
        >>> check_listed("../b.mp4", "list.csv, row 2")
        Traceback (most recent call last):
        ...
        unlabelled.data.inside.OutsideRootError: list.csv, row 2: '../b.mp4' leads out of the root; ...
    """
    plain = path.replace("\\", "/")
    if plain.startswith("/") or _DRIVE.match(plain) or ".." in plain.split("/"):
        raise OutsideRootError(f"{where}: {path!r} leads out of the root; {advice}")
    return path


def link_out(root: str, path: str) -> str:
    """Return where a file or folder really lies, if that is outside of the root; otherwise an empty text.

    Args:
        root: Folder of the data set.
        path: Relative to the root.
    """
    real = os.path.realpath(os.path.join(root, path))
    return "" if any(_is_below(real, place) for place in _places(root)) else real


def check_link(root: str, path: str, where: str = "") -> None:
    """Check that a file or folder really lies inside the root.

    Args:
        root: Folder of the data set.
        path: Relative to the root.
        where: File and row that name it, for the message; empty: the root.

    Raises:
        OutsideRootError: It is a link out of it, or lies in a folder that is one.
    """
    if target := link_out(root, path):
        where = where or f"root={root!r}"
        raise OutsideRootError(
            f"{where}: {path} is a link to {target}, outside of the root; copy it there, {_ALLOW}"
        )


def check_paths(root: str, paths: Iterable[str], where: str) -> None:
    """Check paths of a list as :func:`check_listed` does, and that none is a link out of the root or in one.

    Args:
        root: Folder of the data set.
        paths: Relative to the root; they need not exist.
        where: Name of the list, for the message.

    Raises:
        OutsideRootError: A path leads out.
    """
    checked = set[str]()
    for path in paths:
        folder = os.path.dirname(check_listed(path, where, f"{_BELOW}, {_ALLOW}"))
        if folder not in checked:
            check_link(root, folder, where)
            checked.add(folder)
        if os.path.islink(os.path.join(root, path)):
            check_link(root, path, where)


def _places(root: str) -> tuple[str, ...]:
    """Return the real folders that make up a root."""
    try:
        changed = os.stat(root).st_mtime_ns
    except OSError:
        return (os.path.realpath(root),)
    return _places_at(os.path.abspath(root), changed)


@functools.lru_cache(maxsize=64)
def _places_at(root: str, changed: int) -> tuple[str, ...]:
    try:
        with os.scandir(root) as entries:
            links = sorted(entry.path for entry in entries if entry.is_symlink() and is_folder(entry))
    except OSError:  # files of a list may be read where the list of files is not
        links = []
    return (os.path.realpath(root), *map(os.path.realpath, links))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return False also for a link that leads to itself, or into a folder that cannot be read."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_below(real: str, place: str) -> bool:
    return real == place or real.startswith(place.rstrip("/") + "/")
