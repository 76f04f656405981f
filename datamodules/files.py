"""Finding listed clips on disk, under whatever folders their owner keeps them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

MEDIA_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v")


def scan_media(root: str) -> dict[str, str]:
    """Map the stem of each media file below ``root`` to its path relative to ``root``; one walk, no opening.

    Hidden folders (our own caches among them) are passed over. Of two files with one stem the first in
    sorted order counts.
    """
    found: dict[str, str] = {}
    for folder, subfolders, names in os.walk(root, followlinks=True):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in MEDIA_SUFFIXES:
                found.setdefault(stem, os.path.relpath(os.path.join(folder, name), root))
    return found


def locate(stems: Sequence[str], files: dict[str, str], default: str) -> str:
    """Return the path of the first of ``stems`` that is on disk, else ``default`` (reported as missing)."""
    return next((files[stem] for stem in stems if stem in files), default)


def find_list(root: str, names: Iterable[str], given: str | None, what: str) -> Path:
    """Return the path of a list file: ``given`` (relative to ``root`` or absolute), or the first known name.

    Raises:
        FileNotFoundError: None of them exists.
    """
    names = [given] if given is not None else list(names)
    for name in names:
        path = Path(root) / name
        if path.is_file():
            return path
    raise FileNotFoundError(f"{what}: none of {', '.join(names)} is in root={root!r}")
