"""Arrays in one file, which processes map into memory together."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.storage import write_atomically

# A file: length and CRC-32 of the header (8 bytes each), the header (JSON), then the arrays at multiples of
# 64 bytes.
_ALIGNMENT = 64
_PREFIX = 16


def write_arrays(path: str, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Write arrays, and facts that JSON can hold, to a file in one step.

    Raises:
        OSError: The file cannot be written.
    """
    plain = {name: np.ascontiguousarray(each) for name, each in arrays.items()}
    table, position = {}, 0
    for name, each in plain.items():
        table[name] = (each.dtype.str, each.shape, position, zlib.crc32(_bytes(each)))
        position += each.nbytes + -each.nbytes % _ALIGNMENT
    header = json.dumps({"arrays": table, "facts": dict(facts)}).encode()
    header += b" " * (-(len(header) + _PREFIX) % _ALIGNMENT)

    def write(file: BinaryIO) -> None:
        file.write(len(header).to_bytes(8, "little") + zlib.crc32(header).to_bytes(8, "little") + header)
        for each in plain.values():
            file.write(_bytes(each))
            file.write(b"\0" * (-each.nbytes % _ALIGNMENT))

    write_atomically(path, write)


def map_arrays(path: str, check: bool = True) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Map the arrays of a file into memory, read-only, and return them with the facts.

    Args:
        path: A file of :func:`write_arrays`.
        check: Compare each array with its checksum, which reads the whole file once.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged, or no file of arrays.
    """
    with open(path, "rb") as file:
        prefix = file.read(_PREFIX)
        length = int.from_bytes(prefix[:8], "little")
        header = file.read(min(length, 1 << 40))
    if len(header) != length or zlib.crc32(header) != int.from_bytes(prefix[8:], "little") or not header:
        raise ValueError(f"{path}: its header is damaged")
    content = json.loads(header)
    memory = np.memmap(path, np.uint8, "r")
    arrays: dict[str, NDArray[Any]] = {}
    for name, (dtype, shape, position, checksum) in content["arrays"].items():
        start, size = _PREFIX + length + position, int(np.prod(shape)) * np.dtype(dtype).itemsize
        part = np.asarray(memory[start : start + size])
        if len(part) != size or (check and zlib.crc32(_bytes(part)) != checksum):
            raise ValueError(f"{path}: its array {name} is damaged")
        arrays[name] = part.view(dtype).reshape(shape)
    return arrays, content["facts"]


def _bytes(values: NDArray[Any]) -> memoryview:
    return values.reshape(-1).view(np.uint8).data
