"""Files of decoded copies: a header, and arrays that are mapped into memory."""

from __future__ import annotations

import functools
import json
import math
import mmap
import os
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.reader import MediaInfo
from unlabelled.data.media.storage import open_plain, write_atomically

# To be raised whenever the meaning of the stored data changes: older files are then decoded again.
_VERSION = 3
# A stored file: length and CRC-32 of the header (8 bytes each), the header (JSON), then the arrays at
# multiples of 64 bytes.
_ALIGNMENT = 64
_PREFIX = 16
_SMALL = ("timestamps", "parts")  # arrays that are read as a whole, and compared with their checksums, once
_HEADERS = 1024  # read headers that a process keeps, of some kilobytes each; samples are read in each epoch


class Copy(NamedTuple):
    """A decoded file: the arrays ``timestamps`` and ``frames``, ``parts`` and ``waveform``, of its streams.

    The errors are the reasons why a stream is absent; the checksums are the CRC-32 of each row of ``frames``,
    and of the other arrays as a whole.
    """

    info: MediaInfo
    video_error: str
    audio_error: str
    arrays: dict[str, NDArray[Any]]
    checksums: dict[str, list[int]]

    def is_intact(self, name: str, rows: Sequence[int] | None = None) -> bool:
        """Return whether rows of an array, or the whole of it, have their checksums."""
        parts = _parts(name, self.arrays[name])
        known = self.checksums[name]
        numbers = range(len(parts)) if rows is None else rows
        return len(parts) == len(known) and all(zlib.crc32(parts[row].data) == known[row] for row in numbers)


def checksums_of(arrays: dict[str, NDArray[Any]]) -> dict[str, list[int]]:
    """Return the CRC-32 of each row of ``frames``, and of the other arrays as a whole."""
    return {name: [zlib.crc32(part.data) for part in _parts(name, array)] for name, array in arrays.items()}


def _parts(name: str, array: NDArray[Any]) -> Sequence[NDArray[Any]] | NDArray[Any]:
    """Return the parts of an array that have a checksum each."""
    return array if name == "frames" else [array]


class _Header(NamedTuple):
    """The content of a stored copy before its arrays are mapped.

    The table has the type, the shape and the position of each array; the small arrays are copies in memory.
    """

    info: MediaInfo
    video_error: str
    audio_error: str
    table: dict[str, tuple[str, Sequence[int], int]]
    checksums: dict[str, list[int]]
    small: dict[str, NDArray[Any]]


def store(copy: Copy, path: str, target: str) -> None:
    """Write the copy of a file.

    Raises:
        OSError: It cannot be written.
    """

    def write(file: BinaryIO) -> None:
        position, table = 0, {}
        for name, array in copy.arrays.items():
            table[name] = (array.dtype.str, array.shape, position)
            position += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
        content = {"version": _VERSION, "name": os.path.basename(target), **copy._asdict()}
        header = json.dumps({**content, "info": asdict(copy.info), "arrays": table}).encode()
        header += b" " * (-(len(header) + _PREFIX) % _ALIGNMENT)
        for number in (len(header), zlib.crc32(header)):
            file.write(number.to_bytes(8, "little"))
        file.write(header)
        for array in copy.arrays.values():
            file.write(array.data)
            file.write(b"\0" * (-array.nbytes % _ALIGNMENT))

    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        write_atomically(target, write)
    except OSError as error:
        raise OSError(
            f"cannot store the decoded copy of {path} as {target}: {error.strerror or error}; "
            f"free space there, set another folder of CachedReader, or read without it"
        ) from error


def load(target: str) -> Copy:
    """Map a stored copy into memory.

    Raises:
        ValueError: The header or a small array is damaged, or the copy is of another version or file.
    """
    if os.path.islink(target):
        raise ValueError("it is a link")
    with open_plain(target) as file:
        status = os.fstat(file.fileno())
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    header = _header(target, status.st_ino, status.st_size, status.st_mtime_ns)
    arrays = {name: header.small.get(name, _array(memory, *place)) for name, place in header.table.items()}
    return Copy(header.info, header.video_error, header.audio_error, arrays, header.checksums)


@functools.lru_cache(maxsize=_HEADERS)
def _header(target: str, *version: int) -> _Header:
    """Read the header and the small arrays of a stored copy; a file of another version is read again.

    Raises:
        ValueError: They are damaged, or the copy is of another version or file.
    """
    with open_plain(target) as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    base = _PREFIX + int.from_bytes(memory[:8], "little")
    text = memory[_PREFIX:base]
    if zlib.crc32(text) != int.from_bytes(memory[8:_PREFIX], "little"):
        raise ValueError("its header is damaged, or of an earlier version")
    content = json.loads(text)
    if (content["version"], content["name"]) != (_VERSION, os.path.basename(target)):
        raise ValueError("it is of another version or of another file")
    table = {
        name: (dtype, shape, base + position) for name, (dtype, shape, position) in content["arrays"].items()
    }
    small = {name: _array(memory, *table[name]).copy() for name in _SMALL if name in table}
    info = {name: value for name, value in content["info"].items() if name in MediaInfo.__dataclass_fields__}
    errors = content["video_error"], content["audio_error"]
    copy = Copy(MediaInfo(**info), *errors, small, content["checksums"])
    if not all(map(copy.is_intact, small)):
        raise ValueError("its checksum differs")
    return _Header(copy.info, *errors, table, copy.checksums, small)


def _array(memory: mmap.mmap, dtype: str, shape: Sequence[int], position: int) -> NDArray[Any]:
    return np.frombuffer(memory, dtype, math.prod(shape), position).reshape(shape)
