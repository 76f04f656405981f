"""Files of a folder that is packed into shards: tar files, and an index of their places."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from bisect import bisect_left
from collections.abc import Iterator
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.array_file import map_arrays
from unlabelled.data.media.storage import (
    FOLDER,
    open_plain,
    read_sealed,
    short_hash,
    write_atomically,
    write_sealed,
)
from unlabelled.data.strings import Strings

SHARD_FOLDER = "shards"
INDEX = f"{SHARD_FOLDER}/index"
_PLACE = f"{SHARD_FOLDER}/place"  # of a folder of which a copy has the lists only: where its shards are


_FETCHED = f"{SHARD_FOLDER}/fetched"  # checksums of what was copied from a URL
_HEADER = 512  # bytes before each file in a tar file


class Member(NamedTuple):
    """The place of a packed file.

    Attributes:
        shard: Path or URL of the tar file.
        offset: First byte in it.
        size: Number of bytes.
        modified: Modification time of the file that was packed, in nanoseconds.
        name: Path of the file below the root, which its header in the shard has too.
    """

    shard: str
    offset: int
    size: int
    modified: int
    name: str = ""


class Shards:
    """The packed files of a folder, in columns of 48 bytes a file besides its name, mapped into memory.

    Args:
        root: Folder with the index, and the lists, which are not packed.

    Raises:
        OSError: There is no index.
        ValueError: The index is damaged.

    Attributes:
        names: Path of each file below the root, in the order of a walk through the folders.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        columns, facts = map_arrays(os.path.join(root, INDEX))
        if not _is_index(columns, facts):
            raise ValueError(f"{os.path.join(root, INDEX)} is damaged; pack the folder again")
        self.names = Strings.of(columns["text"], columns["ends"])
        self._columns, self._links = columns, facts["links"]
        self._folder = _read_place(root) or os.path.join(root, SHARD_FOLDER)

    def __len__(self) -> int:
        return len(self.names)

    def find(self, name: str) -> Member | None:
        """Return the place of a file; None: it is not packed."""
        row = self._row(name := self._links.get(name, name))
        if row is None:
            return None
        shard, offset, size, modified = (
            int(self._columns[column][row]) for column in ("shard", "offset", "size", "modified")
        )
        return Member(f"{self._folder}/{shard_name(shard)}", offset, size, modified, name)

    def real(self, name: str) -> str:
        """Return the file that a packed link leads to; of other files their own name."""
        target: str = self._links.get(name, name)
        return target

    def has_folder(self, name: str) -> bool:
        """Return whether files lie below a folder."""
        return any(True for _ in self._packed_below(f"{name}/")) or any(
            link.startswith(f"{name}/") for link in self._links
        )

    def below(self, folder: str = "") -> list[str]:
        """Return the files at any depth of a folder, links too, in the order of a walk."""
        prefix = f"{folder}/" if folder else ""
        names = list(self._packed_below(prefix))
        links = [name for name in self._links if name.startswith(prefix)]
        return sorted([*names, *links], key=walk_order) if links else names

    def _packed_below(self, prefix: str) -> Iterator[str]:
        """Yield the files whose names begin with a folder; they are neighbours in the order of a walk."""
        start = tuple((True, folder) for folder in prefix.split("/")[:-1])
        first = bisect_left(self.names, start, key=walk_order)
        names = (self.names[row] for row in range(first, len(self)))
        return takewhile(lambda name: name.startswith(prefix), names)

    def _row(self, name: str) -> int | None:
        wanted = name_hash(name)
        hashes, order = self._columns["hash"], self._columns["order"]
        place = int(np.searchsorted(hashes, wanted))
        while place < len(hashes) and hashes[place] == wanted:
            if self.names[row := int(order[place])] == name:
                return row
            place += 1
        return None


def _is_index(columns: dict[str, NDArray[Any]], facts: dict[str, Any]) -> bool:
    """Return whether columns are those of an index, and the places in them are possible."""
    known, links = columns.get("ends", np.empty(0)), facts.get("links")
    per_file = [columns.get(name) for name in ("shard", "offset", "size", "modified", "hash", "order")]
    if not isinstance(links, dict) or "text" not in columns or not len(known):
        return False
    if any(column is None or column.shape != known.shape for column in per_file):
        return False
    ends, order, hashes = np.concatenate([[0], known]), columns["order"], columns["hash"]
    return bool(
        (np.diff(ends) >= 0).all()
        and (hashes[1:] >= hashes[:-1]).all()
        and columns["text"].dtype == np.uint8
        and ends[-1] == len(columns["text"])
        and all((columns[name] >= 0).all() for name in ("shard", "size", "order"))
        and (columns["offset"] >= _HEADER).all()
        and (order < len(known)).all()
    )


def shard_name(number: int) -> str:
    """Return the file name of a shard."""
    return f"{number:06d}.tar"


def name_hash(name: str) -> np.uint64:
    """Return a hash of a file's name, by which it is found in the index."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def name_columns(names: list[str]) -> dict[str, NDArray[Any]]:
    """Return the columns of an index that its names alone determine."""
    strings = Strings(names)
    hashes = np.array([name_hash(name) for name in names], np.uint64)
    order = hashes.argsort(kind="stable")
    return {
        "text": strings.text, "ends": strings.ends, "hash": hashes[order], "order": order.astype(np.int32)
    }  # fmt: skip


def walk_order(name: str) -> tuple[tuple[bool, str], ...]:
    """Return a key by which the files of each folder come before its folders, both in sorted order."""
    *folders, file = name.split("/")
    return (*((True, folder) for folder in folders), (False, file))


def shards_at(folder: str) -> Shards | None:
    """Return the packed files of a folder; None: it has no index of shards."""
    return _load(os.path.abspath(folder)) if os.path.isfile(os.path.join(folder, INDEX)) else None


def packed_file(path: str) -> tuple[Shards, str] | None:
    """Return the shards that a path leads into, and its name there; None: its folders have no shards."""
    root = _root_of(os.path.dirname(os.path.abspath(path)))
    if not root:
        return None
    name = os.path.relpath(os.path.abspath(path), root).replace(os.sep, "/")
    return _load(root), name


def find_member(path: str) -> Member | None:
    """Return the place of a packed file; None: it is not packed."""
    found = packed_file(path)
    return None if found is None else found[0].find(found[1])


def forget_shards() -> None:
    """Look for shards again, where some were written or removed."""
    _root_of.cache_clear()
    _load.cache_clear()


@functools.lru_cache(maxsize=4096)
def _root_of(folder: str) -> str:
    """Return the folder that has an index of shards, at or above ``folder``; empty: none has."""
    if os.path.isfile(os.path.join(folder, INDEX)):
        return folder
    above = os.path.dirname(folder)
    return "" if above == folder else _root_of(above)


@functools.lru_cache(maxsize=16)
def _load(root: str) -> Shards:
    return Shards(root)


def packed_root(root: str, shards: str | None) -> str:
    """Return the folder in which a data module finds its files.

    Args:
        root: Folder of the data set, if it is not packed.
        shards: A packed folder, or its URL for fsspec, of which index and lists are fetched once, to the
            cache of the user; None: the data set is not packed.

    Raises:
        FileNotFoundError: There is no packed folder.
    """
    if shards is None:
        return root
    local = _fetch_lists(shards) if "://" in shards else shards
    if shards_at(local) is None:
        raise FileNotFoundError(
            f"shards={shards!r} is not a packed folder; write it with `python -m unlabelled pack FOLDER OUT`"
        )
    return local


def _fetch_lists(url: str) -> str:
    """Copy the index and the lists of a packed folder to the cache of the user, and return their folder."""
    from fsspec.core import url_to_fs  # only those who read from elsewhere need it

    files, there = url_to_fs(url)
    try:
        index = files.cat_file(f"{there}/{INDEX}")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"shards={url!r}: there is no {INDEX}") from error
    version = hashlib.sha256(index).hexdigest()[:16]
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.path.join(caches, FOLDER.strip("."), "packed", f"{short_hash(url)}-{version}")
    if _is_fetched(folder):
        return folder
    _write(folder, f"{INDEX}.part", index)
    _write(folder, _PLACE, json.dumps(f"{url.rstrip('/')}/{SHARD_FOLDER}").encode())
    _, facts = map_arrays(os.path.join(folder, f"{INDEX}.part"))
    for name in facts["lists"]:
        _write(folder, name, files.cat_file(f"{there}/{name}"))
    _write(folder, INDEX, index)
    checksums = {name: _checksum(folder, name) for name in (INDEX, _PLACE, *facts["lists"])}
    write_sealed(os.path.join(folder, _FETCHED), checksums)  # last: who finds it finds the lists
    return folder


def _is_fetched(folder: str) -> bool:
    """Return whether a folder has all that was fetched to it, as it was fetched."""
    try:
        checksums = read_sealed(os.path.join(folder, _FETCHED))
        return all(_checksum(folder, name) == checksum for name, checksum in checksums.items())
    except (OSError, ValueError):
        return False


def _checksum(folder: str, name: str) -> str:
    with open_plain(os.path.join(folder, name)) as file:
        return hashlib.sha256(file.read()).hexdigest()


def _write(folder: str, name: str, content: bytes) -> None:
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_atomically(path, lambda file: file.write(content))


def _read_place(root: str) -> str:
    try:
        with open(os.path.join(root, _PLACE), encoding="utf-8") as file:
            place: str = json.load(file)
            return place
    except FileNotFoundError:
        return ""
