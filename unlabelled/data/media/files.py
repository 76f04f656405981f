"""Find listed clips and images on disk, in any folders below the root."""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from unlabelled.data.inside import check_link, is_folder, link_out
from unlabelled.data.left_out import list_left_out
from unlabelled.data.media.disk import real_path
from unlabelled.data.media.shards import SHARD_FOLDER, packed_file, shards_at
from unlabelled.distributed import rank

_Named = tuple[str, bool]
"""Name of a file or a folder, and whether it is a link."""
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
UNREADABLE = "folders that cannot be read, passed over:"
"""Reason for messages."""


class StemTable:
    """Files of a folder and of all visible folders below it, found by their stems; they are not opened.

    A warning names the folders that cannot be read.

    Args:
        root: The folder.
        suffixes: Endings of the files.
        allow_outside: Follow links that lead out of the root.

    Attributes:
        repeated: The files that :meth:`locate` did not take, by the one of the same stem that it took.

    Raises:
        OutsideRootError: There is such a link, and it is not allowed.
    """

    def __init__(
        self, root: str, suffixes: tuple[str, ...] = MEDIA_SUFFIXES, allow_outside: bool = False
    ) -> None:
        self.root = root
        self.repeated: dict[str, list[str]] = {}
        self._paths: dict[str, list[str]] = {}
        for path in _walk(root, suffixes, allow_outside=allow_outside):
            self._paths.setdefault(composed(_stem(path)), []).append(path)

    def __contains__(self, path: str) -> bool:
        return path in self._paths.get(composed(_stem(path)), ())

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
        real = [real_path(os.path.join(self.root, path)) for path in found]
        # A linked folder shows the same files under a second path.
        others = [path for path, target in zip(found, real, strict=True) if target != real[0]]
        if others:
            self.repeated[found[0]] = others


def class_folders(folder: Path) -> list[str]:
    """Return the names of the visible folders in ``folder``, sorted; none if it does not exist."""
    names: set[str] = set()
    if folder.is_dir():
        with os.scandir(folder) as entries:
            names = {entry.name for entry in entries if is_folder(entry) and not entry.name.startswith(".")}
    if shards_at(str(folder)) is not None:
        names.discard(SHARD_FOLDER)
    return sorted(names | _packed_folders(folder))


def _packed_folders(folder: Path) -> set[str]:
    found = packed_file(str(folder / "any"))
    if found is None:
        return set()
    shards, name = found
    below = os.path.dirname(name)
    start = len(below) + 1 if below else 0
    rests = (path[start:].split("/", 1) for path in shards.below(below))
    return {rest[0] for rest in rests if len(rest) > 1}


def scan_files(
    root: str,
    suffixes: tuple[str, ...],
    below: str = "",
    allow_outside: bool = False,
    unreadable: list[str] | None = None,
) -> list[str]:
    """Return the files with one of ``suffixes`` in all visible folders, relative to ``root``, unopened.

    Args:
        root: The folder.
        suffixes: Endings of the files.
        below: Folder in ``root`` to look in.
        allow_outside: Follow links that lead out of the root.
        unreadable: List that the folders which cannot be read are appended to, each with the reason; None: a
            warning names them.

    Raises:
        OutsideRootError: There is such a link, and it is not allowed.
    """
    return list(_walk(root, suffixes, below, allow_outside, unreadable))


def other_files(root: str, suffixes: tuple[str, ...]) -> list[str]:
    """Return the visible files with none of ``suffixes``, relative to ``root``, unopened."""
    found = scan_files(root, ("",), allow_outside=True, unreadable=[])
    return [path for path in found if not path.lower().endswith(suffixes)]


def links_out(root: str, suffixes: tuple[str, ...]) -> list[str]:
    """Return the files that lie outside of ``root`` by a link, relative to it; a run refuses these."""
    found = scan_files(root, suffixes, allow_outside=True, unreadable=[])
    return [path for path in found if link_out(root, path)]


def _walk(
    root: str,
    suffixes: tuple[str, ...],
    below: str = "",
    allow_outside: bool = False,
    unreadable: list[str] | None = None,
) -> Iterator[str]:
    """Yield the files in all visible folders, relative to ``root``, each folder's in sorted order.

    A link to a folder that contains it is not followed. See :func:`scan_files`.

    Raises:
        OutsideRootError: A link leads out of the root.
    """
    failed: list[str] = [] if unreadable is None else unreadable
    if (shards := shards_at(root)) is not None:
        yield from (path for path in shards.below(below) if path.lower().endswith(suffixes))
    top = os.path.join(root, below)
    if below and not allow_outside:
        check_link(root, below)
    todo: list[tuple[str, tuple[str, ...]]] = [(below and f"{below}/", (os.path.realpath(top),))]
    while todo:
        prefix, outer = todo.pop()
        folders, files = _listing(os.path.join(root, prefix), suffixes, failed)
        if shards is not None and not prefix:
            folders = [each for each in folders if each[0] != SHARD_FOLDER]
        for name, is_link in files:
            if is_link and not allow_outside:
                check_link(root, prefix + name)
            yield prefix + name
        for name, is_link in reversed(folders):
            real = os.path.realpath(os.path.join(root, prefix + name)) if is_link else f"{outer[-1]}/{name}"
            if real in outer:
                continue
            if is_link and not allow_outside:
                check_link(root, prefix + name)
            todo.append((f"{prefix}{name}/", (*outer, real)))
    if failed and unreadable is None and rank() == 0:  # Python shows equal warnings once
        (text,) = list_left_out({UNREADABLE: failed})
        warnings.warn(text, stacklevel=2)


def _listing(
    folder: str, suffixes: tuple[str, ...], unreadable: list[str]
) -> tuple[list[_Named], list[_Named]]:
    """Return the visible folders and files of a folder, sorted; note one that cannot be read."""
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return [], []
    except OSError as error:
        unreadable.append(f"{folder}: {error.strerror}")
        return [], []
    folders, files = [], []
    for entry in visible:
        if is_folder(entry):
            folders.append((entry.name, entry.is_symlink()))
        elif entry.name.lower().endswith(suffixes):
            files.append((entry.name, entry.is_symlink()))
    return sorted(folders), sorted(files)


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
