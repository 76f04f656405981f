"""Find listed clips and images on disk, in any folders below the root."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

MEDIA_SUFFIXES = (
    ".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".asf", ".flv", ".f4v", ".ts",
    ".mts", ".m2ts", ".m2t", ".3gp", ".3g2", ".ogv", ".ogm", ".vob", ".mxf", ".gif", ".qt", ".mpe", ".m1v",
    ".m2v", ".divx", ".dv", ".rm", ".rmvb", ".nut",
)  # fmt: skip
"""Endings of video files."""
AUDIO_SUFFIXES = (
    ".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".au", ".wma", ".mka",
    ".mp2", ".ac3", ".eac3", ".caf", ".amr", ".m4b", ".wv", ".tta", ".w64", ".spx", ".aifc", ".ape",
)  # fmt: skip
"""Endings of audio files."""
IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".ppm", ".pgm", ".pnm", ".bmp", ".tif", ".tiff", ".webp",
    ".avif", ".gif", ".jp2", ".tga",
)  # fmt: skip
"""Endings of image files."""


class StemTable:
    """Files of a folder and of all visible folders below it, found by their stems; they are not opened.

    Args:
        root: The folder.
        suffixes: Endings of the files.

    Attributes:
        repeated: The files that :meth:`locate` did not take, by the one of the same stem that it took.
    """

    def __init__(self, root: str, suffixes: tuple[str, ...] = MEDIA_SUFFIXES) -> None:
        self.root = root
        self.repeated: dict[str, list[str]] = {}
        self._paths: dict[str, list[str]] = {}
        for path in _walk(root, suffixes):
            self._paths.setdefault(composed(_stem(path)), []).append(path)

    def locate(self, names: Sequence[str], default: str) -> str:
        """Return the path, relative to the root, of the first name that is on disk.

        Of several files the first one is taken, in sorted order, those in outer folders first. Letters with
        accents may be stored as one character (NFC) or as two (NFD).

        Args:
            names: Stems, ``a``, or stems in a folder, ``folder/a``, which is anywhere below the root.
            default: Path that is returned if there is no such file; it will be reported as missing.
        """
        for name in names:
            folder, _, stem = composed(name).rpartition("/")
            found = [
                path for path in self._paths.get(stem, ()) if not folder or composed(_folder(path)) == folder
            ]
            if found:
                self._note(found)
                return found[0]
        return default

    def _note(self, found: Sequence[str]) -> None:
        first = os.path.join(self.root, found[0])
        # A linked folder shows the same files under a second path.
        others = [path for path in found[1:] if not os.path.samefile(first, os.path.join(self.root, path))]
        if others:
            self.repeated[found[0]] = others


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


def other_files(root: str, suffixes: tuple[str, ...]) -> list[str]:
    """Return the visible files with none of ``suffixes``, relative to ``root``, unopened."""
    return [path for path in _walk(root, ("",)) if not path.lower().endswith(suffixes)]


def _walk(root: str, suffixes: tuple[str, ...], below: str = "") -> Iterator[str]:
    """Yield the files in all visible folders, relative to ``root``, each folder's in sorted order.

    A link to a folder that contains it is not followed.
    """
    top = os.path.join(root, below)
    containing: dict[str, tuple[str, ...]] = {top: (os.path.realpath(top),)}
    for folder, subfolders, names in os.walk(top, followlinks=True):
        outer = containing.pop(folder)
        real = {name: os.path.realpath(os.path.join(folder, name)) for name in subfolders}
        subfolders[:] = sorted(
            name for name in subfolders if not name.startswith(".") and real[name] not in outer
        )
        containing |= {os.path.join(folder, name): (*outer, real[name]) for name in subfolders}
        prefix = os.path.relpath(folder, root)
        prefix = "" if prefix == os.curdir else prefix + "/"
        for name in sorted(names):
            if name.lower().endswith(suffixes) and not name.startswith("."):
                yield prefix + name


def composed(name: str) -> str:
    """Return a name with letters and their accents as one character (NFC); macOS stores them as two."""
    return unicodedata.normalize("NFC", name)


def _folder(path: str) -> str:
    return os.path.basename(os.path.dirname(path))


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


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
