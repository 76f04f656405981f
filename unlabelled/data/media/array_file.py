"""Arrays in one file, which processes map into memory together."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.storage import open_plain, write_atomically

# A file: length and CRC-32 of the header (8 bytes each), the header (JSON), then the arrays at multiples of
# 64 bytes.
_ALIGNMENT = 64
_VERSION = 1  # files of before it was stored are of this version
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
    header = json.dumps({"version": _VERSION, "arrays": table, "facts": dict(facts)}).encode()
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
    with open_plain(path) as file:
        prefix = file.read(_PREFIX)
        length = int.from_bytes(prefix[:8], "little")
        header = file.read(min(length, 1 << 40))
    if len(header) != length or zlib.crc32(header) != int.from_bytes(prefix[8:], "little") or not header:
        raise ValueError(f"{path}: its header is damaged")
    try:
        content = json.loads(header)
        if content.get("version", _VERSION) != _VERSION:
            raise _DamagedError("it is of another version")
        memory, first = np.memmap(path, np.uint8, "r"), _PREFIX + length
        arrays = {
            name: _mapped(name, memory, first, place, check) for name, place in content["arrays"].items()
        }
        return arrays, dict(content["facts"])
    except _DamagedError as error:
        raise ValueError(f"{path}: {error}") from error
    except (LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path}: its header is damaged") from error


class _DamagedError(ValueError):
    """An array that is not as its header states."""


def _mapped(
    name: str, memory: NDArray[np.uint8], first: int, place: Sequence[Any], check: bool
) -> NDArray[Any]:
    """Return an array of a file; ``first`` is the position of the first one."""
    dtype, shape, position, checksum = place
    kind, start = np.dtype(dtype), first + position
    size = math.prod(shape) * kind.itemsize
    is_possible = kind.kind in "biuf" and position >= 0 and all(length >= 0 for length in shape)
    part = np.asarray(memory[start : start + size]) if is_possible else memory[:0]
    if not is_possible or len(part) != size or (check and zlib.crc32(_bytes(part)) != checksum):
        raise _DamagedError(f"its array {name} is damaged")
    array: NDArray[Any] = part.view(kind).reshape(shape)
    return array


def _bytes(values: NDArray[Any]) -> memoryview:
    return values.reshape(-1).view(np.uint8).data
