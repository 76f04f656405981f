"""Find listed clips and images on disk, in any folders below the root."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

MEDIA_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v")
AUDIO_SUFFIXES = (".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".au")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif")


def scan_media(root: str) -> dict[str, str]:
    """Map the stem of each media file below ``root`` to its path relative to ``root``.

    Files are not opened. Hidden folders, such as our caches, are skipped. If two files have the same stem,
    the first one in sorted order is taken.
    """
    found: dict[str, str] = {}
    for path in _walk(root, MEDIA_SUFFIXES):
        found.setdefault(_stem(path), path)
    return found


def scan_class_media(root: str) -> dict[str, str]:
    """Return :func:`scan_media` with additional keys ``<folder>/<stem>``, for repeated stems."""
    found: dict[str, str] = {}
    for path in _walk(root, MEDIA_SUFFIXES):
        found.setdefault(_stem(path), path)
        found.setdefault(f"{os.path.basename(os.path.dirname(path))}/{_stem(path)}", path)
    return found


def class_folders(folder: Path) -> list[str]:
    """Return the names of the visible folders in ``folder``, sorted; none if it does not exist."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def scan_images(root: str, below: str) -> list[str]:
    """Return the images in all visible folders below ``<root>/<below>``, relative to ``root``, unopened."""
    return list(_walk(root, IMAGE_SUFFIXES, below))


def scan_files(root: str, suffixes: tuple[str, ...]) -> list[str]:
    """Return the files with one of ``suffixes`` in all visible folders, relative to ``root``, unopened."""
    return list(_walk(root, suffixes))


def _walk(root: str, suffixes: tuple[str, ...], below: str = "") -> Iterator[str]:
    """Yield the files in all visible folders, relative to ``root``, each folder's in sorted order."""
    for folder, subfolders, names in os.walk(os.path.join(root, below), followlinks=True):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        prefix = os.path.relpath(folder, root)
        prefix = "" if prefix == os.curdir else prefix + "/"
        for name in sorted(names):
            if name.lower().endswith(suffixes) and not name.startswith("."):
                yield prefix + name


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


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
