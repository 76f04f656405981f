"""What a folder of columns consists of: kinds of columns, names of files, ``table.json``, hashes of keys."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

FORMAT = 1  # to be raised whenever older readers would misunderstand the files
TABLE = "table.json"
_KINDS = Literal["scalar", "text", "ragged", "texts"]
_NAME = re.compile(r"\w+", re.ASCII)


@dataclass(frozen=True)
class Column:
    """One column; made by :func:`scalar`, :func:`ragged`, :func:`text` or :func:`texts`.

    Attributes:
        kind: ``scalar`` (a number or an array of one shape per row), ``ragged`` (so many of them per row),
            ``text`` (one per row) or ``texts`` (a list per row).
        dtype: NumPy's name of a numeric type, such as ``<f4``; of texts ``|u1``, their bytes.
        shape: Of one element, without the row's own number of them.
        key: Whether rows can be looked up by their text; each text is in one row only then.
    """

    kind: _KINDS
    dtype: str
    shape: tuple[int, ...] = ()
    key: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the column as ``table.json`` has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Column:
        """Return the column that ``table.json`` describes.

        Raises:
            ValueError: It describes none.
        """
        try:
            column = cls(stored["kind"], stored["dtype"], tuple(stored["shape"]), bool(stored["key"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{stored!r} is not a column's kind, dtype, shape and key") from error
        if column.kind not in get_args(_KINDS):
            raise ValueError(f"kind {column.kind!r} is none of {', '.join(get_args(_KINDS))}")
        _numeric(column.dtype)
        return column


def scalar(dtype: DTypeLike, *shape: int) -> Column:
    """Return a column of one number per row, or of one array of ``shape`` per row."""
    return Column("scalar", _numeric(dtype), shape)


def ragged(dtype: DTypeLike, *shape: int) -> Column:
    """Return a column of an array ``(n, *shape)`` per row, with an n of each row's own."""
    return Column("ragged", _numeric(dtype), shape)


def text(key: bool = False) -> Column:
    """Return a column of one text per row; as a ``key``, the row can be found by it."""
    return Column("text", "|u1", key=key)


def texts() -> Column:
    """Return a column of a list of texts per row."""
    return Column("texts", "|u1")


def values_file(name: str) -> str:
    """Numbers or bytes of all rows, one after the other."""
    return f"{name}.npy"


def offsets_file(name: str) -> str:
    """Where each row begins and ends ``(N + 1,)``, among the values or, of lists, among the texts."""
    return f"{name}.offsets.npy"


def bounds_file(name: str) -> str:
    """Where each text of lists begins and ends ``(M + 1,)``, among the bytes."""
    return f"{name}.bounds.npy"


def keys_file(name: str) -> str:
    """``(2, N)`` uint64: the sorted hashes of the texts, and the row of each."""
    return f"{name}.keys.npy"


def check_name(name: str) -> str:
    """Return ``name``.

    Raises:
        ValueError: It cannot be the name of a column, since its files are called after it.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"column name {name!r} must consist of letters, digits and underscores")
    return name


def hash_keys(keys: Iterable[bytes]) -> NDArray[np.uint64]:
    """Return 64 bits for each key, the same on every machine."""
    digests = (hashlib.blake2b(key, digest_size=8).digest() for key in keys)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64, copy=False)


def encode(string: str) -> bytes:
    """Return a text's bytes; file names that are not UTF-8 survive."""
    return string.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    """Undo :func:`encode`."""
    return data.decode("utf-8", "surrogateescape")


def _numeric(dtype: DTypeLike) -> str:
    """Return NumPy's name of a type of integers, floats or truth values, little-endian.

    Raises:
        ValueError: It is another type, such as objects, which only pickle can store.
    """
    try:
        found = np.dtype(dtype)
    except TypeError as error:
        raise ValueError(f"dtype {dtype!r} is not one of NumPy's") from error
    if found.kind not in "biuf":
        raise ValueError(f"dtype {found} is not of integers, floats or truth values")
    return found.newbyteorder("<").str
