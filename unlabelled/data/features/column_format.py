"""The format of a folder of columns: kinds of columns, files, ``table.json``, hashes of keys."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

FORMAT = 1  # to be raised whenever older readers cannot read the files
TABLE = "table.json"
_KINDS = Literal["scalar", "text", "ragged", "texts"]
_NAME = re.compile(r"\w+", re.ASCII)


@dataclass(frozen=True)
class Column:
    """One column; made by :func:`scalar`, :func:`ragged`, :func:`text` or :func:`texts`.

    Attributes:
        kind: ``scalar`` (per row a number or an array of fixed shape), ``ragged`` (per row an array of
            variable length), ``text`` (one per row) or ``texts`` (a list per row).
        dtype: NumPy's name of a numeric type, such as ``<f4``; ``|u1`` for texts, which are bytes.
        shape: Shape of one element, without the variable length.
        key: Whether rows can be found by their text; all texts must differ.
    """

    kind: _KINDS
    dtype: str
    shape: tuple[int, ...] = ()
    key: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the column in ``table.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Column:
        """Return the column of an entry in ``table.json``.

        Raises:
            ValueError: The entry is invalid.
        """
        try:
            column = cls(stored["kind"], stored["dtype"], tuple(stored["shape"]), bool(stored["key"]))
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"{stored!r} does not have the kind, dtype, shape and key of a column"
            ) from error
        if column.kind not in get_args(_KINDS):
            raise ValueError(f"kind {column.kind!r} is none of {', '.join(get_args(_KINDS))}")
        _numeric(column.dtype)
        return column


def scalar(dtype: DTypeLike, *shape: int) -> Column:
    """Return a column of one number per row, or of one array of ``shape`` per row."""
    return Column("scalar", _numeric(dtype), shape)


def ragged(dtype: DTypeLike, *shape: int) -> Column:
    """Return a column of one array ``(n, *shape)`` per row, with a different n in each row."""
    return Column("ragged", _numeric(dtype), shape)


def text(key: bool = False) -> Column:
    """Return a column of one text per row; with ``key``, rows can be found by their text."""
    return Column("text", "|u1", key=key)


def texts() -> Column:
    """Return a column of one list of texts per row."""
    return Column("texts", "|u1")


def values_file(name: str) -> str:
    """Return the file of the numbers or bytes of all rows, row by row."""
    return f"{name}.npy"


def offsets_file(name: str) -> str:
    """Return the file of the bounds of rows ``(N + 1,)`` in the values, or in the texts of lists."""
    return f"{name}.offsets.npy"


def bounds_file(name: str) -> str:
    """Return the file of the bounds of the texts of lists ``(M + 1,)``, in the bytes."""
    return f"{name}.bounds.npy"


def keys_file(name: str) -> str:
    """Return the file of the sorted hashes of the texts and their rows, ``(2, N)`` uint64."""
    return f"{name}.keys.npy"


def check_name(name: str) -> str:
    """Return ``name`` if it is a valid name of a column, which is part of file names.

    Raises:
        ValueError: It is not.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"column name {name!r} must consist of letters, digits and underscores")
    return name


def hash_keys(keys: Iterable[bytes]) -> NDArray[np.uint64]:
    """Return a hash of 64 bits for each key, the same on every machine."""
    digests = (hashlib.blake2b(key, digest_size=8).digest() for key in keys)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64, copy=False)


def encode(string: str) -> bytes:
    """Return the bytes of a text; file names that are not UTF-8 can be restored."""
    return string.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    """Undo :func:`encode`."""
    return data.decode("utf-8", "surrogateescape")


def _numeric(dtype: DTypeLike) -> str:
    """Return NumPy's name of a type of integers, floats or booleans, little-endian.

    Raises:
        ValueError: It is another type, such as objects, which require pickle.
    """
    try:
        found = np.dtype(dtype)
    except TypeError as error:
        raise ValueError(f"dtype {dtype!r} is not a type of NumPy") from error
    if found.kind not in "biuf":
        raise ValueError(f"dtype {found} is not a type of integers, floats or booleans")
    return found.newbyteorder("<").str


def read_description(path: Path) -> dict[str, Any]:
    """Read ``table.json``.

    Raises:
        FileNotFoundError: It is not there.
        ValueError: It is damaged, or of another format.
    """
    try:
        stored = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no table in {path.parent}: {path.name} is missing") from error
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise ValueError(f"{path} is not of format {FORMAT}; write the table again with this version")
    if not isinstance(stored.get("columns"), dict) or not isinstance(stored.get("rows"), int):
        raise ValueError(f"{path} is damaged: its rows or columns are missing")
    return {"meta": {}, **stored}


def map_array(path: Path, dtype: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Map a file of the expected type and shape into memory; None: any length.

    Raises:
        ValueError: It is damaged, or of another type or shape.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, FileNotFoundError) as error:
        raise ValueError(f"{path} is damaged or missing ({error}); write the table again") from error
    fits = array.ndim == len(shape) and all(
        length in (None, found) for length, found in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype != np.dtype(dtype):
        expected = f"{np.dtype(dtype)} {shape}".replace("None", "n")
        raise ValueError(f"{path}: expected {expected}, found {array.dtype} {array.shape}")
    # A plain array over the same memory: each access to np.memmap costs additional microseconds.
    return np.asarray(array).view(np.ndarray)
