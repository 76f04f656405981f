"""Pack the media files of a folder into shards."""

from __future__ import annotations

import os
import shutil
import tarfile
from array import array
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from unlabelled.data.media.array_file import write_arrays
from unlabelled.data.media.files import AUDIO_SUFFIXES, IMAGE_SUFFIXES, MEDIA_SUFFIXES, scan_files
from unlabelled.data.media.shards import (
    INDEX,
    SHARD_FOLDER,
    forget_shards,
    name_columns,
    shard_name,
)
from unlabelled.data.media.storage import FOLDER

_SUFFIXES = (*MEDIA_SUFFIXES, *AUDIO_SUFFIXES, *IMAGE_SUFFIXES)
_BLOCK = 512  # of a tar file


class Packed(NamedTuple):
    """The files and bytes that were packed.

    Attributes:
        files: Number of media files.
        bytes: Number of their bytes.
        shards: Number of shards.
        lists: The other files, which were copied.
    """

    files: int
    bytes: int
    shards: int
    lists: list[str]


def pack_folder(
    folder: str, out: str, shard_bytes: int = 1 << 30, allow_outside: bool = False, progress: bool = True
) -> Packed:
    """Pack the media files of a folder as they are into tar files of ``out``; copy its other files.

    The results of a check of the folder are copied too, since size and time of each file are kept. The index
    is written last: without it, ``out`` is no packed folder.

    Args:
        folder: The folder; hidden files are left out.
        out: The folder to write, which must be empty or not exist.
        shard_bytes: Size at which a shard is closed.
        allow_outside: Follow links that lead out of the folder.
        progress: Show a progress bar.

    Raises:
        FileNotFoundError: There is no such folder, or no media file in it.
        FileExistsError: ``out`` is not empty.
        ValueError: ``out`` lies in ``folder``, or ``shard_bytes`` is below 1.
        OutsideRootError: A link leads out of the folder, and this is not allowed.
        OSError: A file cannot be read or written.
    """
    _check(folder, out, shard_bytes)
    every = scan_files(folder, ("",), allow_outside=allow_outside)
    media = [path for path in every if path.lower().endswith(_SUFFIXES)]
    if not media:
        raise FileNotFoundError(f"{folder} has no media file to pack")
    names, links = _without_links(folder, media)
    os.makedirs(os.path.join(out, SHARD_FOLDER), exist_ok=True)
    columns = _write_shards(folder, out, names, shard_bytes, progress)
    lists = [path for path in every if not path.lower().endswith(_SUFFIXES)] + _checks(folder)
    for path in lists:
        target = os.path.join(out, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(os.path.join(folder, path), target)
    facts = {"links": links, "lists": lists}
    write_arrays(os.path.join(out, INDEX), {**name_columns(names), **columns}, facts)
    forget_shards()
    return Packed(len(names), int(columns["size"].sum()), int(columns["shard"][-1]) + 1, lists)


def _check(folder: str, out: str, shard_bytes: int) -> None:
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no folder {folder}")
    if shard_bytes < 1:
        raise ValueError(f"the size of a shard must be at least 1 byte, got {shard_bytes}")
    if os.path.isdir(out) and os.listdir(out):
        raise FileExistsError(f"{out} is not empty; name a new folder")
    inside = os.path.commonpath([os.path.realpath(folder), os.path.realpath(out)])
    if inside == os.path.realpath(folder):
        raise ValueError(f"{out} lies in {folder}; name a folder outside of it")
    if os.path.exists(os.path.join(folder, SHARD_FOLDER)):
        raise ValueError(f"{folder} has a folder {SHARD_FOLDER}, as packed folders have; rename it")


def _without_links(folder: str, media: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return the paths of different files, and those that lead to one of these by a link, with its path."""
    first: dict[str, str] = {}
    links: dict[str, str] = {}
    for path in media:
        target = first.setdefault(os.path.realpath(os.path.join(folder, path)), path)
        if target != path:
            links[path] = target
    return [path for path in media if path not in links], links


def _checks(folder: str) -> list[str]:
    """Return the files with the results of checks."""
    stored = os.path.join(folder, FOLDER)
    names = sorted(os.listdir(stored)) if os.path.isdir(stored) else []
    return [f"{FOLDER}/{name}" for name in names if name.startswith("index-") and name.endswith(".json")]


def _write_shards(
    folder: str, out: str, names: list[str], shard_bytes: int, progress: bool
) -> dict[str, NDArray[Any]]:
    """Write the tar files, and return the columns of the places in them."""
    shard, places = array("i"), array("q")
    number, tar = 0, _open(out, 0)
    try:
        for name in tqdm(names, desc="packing", unit="file", disable=not progress):
            if tar.offset >= shard_bytes:
                tar.close()
                number += 1
                tar = _open(out, number)
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
                info = tarfile.TarInfo(name)
                info.size, info.mtime = status.st_size, int(status.st_mtime)
                tar.addfile(info, file)
            padded = -(-info.size // _BLOCK) * _BLOCK
            shard.append(number)
            places.extend((tar.offset - padded, info.size, status.st_mtime_ns))
    finally:
        tar.close()
    table = np.frombuffer(places, np.int64).reshape(-1, 3)
    return {
        "shard": np.frombuffer(shard, np.int32), "offset": table[:, 0], "size": table[:, 1],
        "modified": table[:, 2],
    }  # fmt: skip


def _open(out: str, number: int) -> tarfile.TarFile:
    path = os.path.join(out, SHARD_FOLDER, shard_name(number))
    return tarfile.open(path, "w", format=tarfile.PAX_FORMAT)
