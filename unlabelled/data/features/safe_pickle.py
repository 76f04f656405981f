"""Read pickles of numbers, texts and containers without executing code from them.

A pickle is a program: unpickling may call any function that it names, and a forged state makes even NumPy's
classes read foreign memory. Therefore no object that a pickle names is imported. The few names that arrays
and tensors require are replaced by functions of this file, which create new arrays from checked bytes; all
other names raise an error.
"""

from __future__ import annotations

import io
import pickle
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_KINDS = "biuf"


class UnsafePickleError(ValueError):
    """A pickle contains other objects than numbers, texts and containers."""


class _Maker:
    """Replacement of a name in a pickle; it can only be called."""

    __slots__ = ("_make", "_name")

    def __init__(self, name: str, make: Callable[..., Any]) -> None:
        self._name, self._make = name, make

    def __call__(self, *args: Any) -> Any:
        try:
            return self._make(*args)
        except (TypeError, ValueError, LookupError, AttributeError, UnicodeError) as error:
            raise UnsafePickleError(
                f"{self._name} is called with arguments that no array requires: {error}"
            ) from error

    def __setstate__(self, state: Any) -> NoReturn:
        raise UnsafePickleError(f"a state is set on {self._name}")


class _Type:
    """Replacement of ``numpy.dtype``, for numbers, and for objects, whose arrays are stored as lists."""

    __slots__ = ("code", "order")

    def __init__(self, code: str, align: object = False, copy: object = False) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, subarray, names, fields, *_ = state
        if order not in ("<", ">", "|", "=") or subarray or names or fields:
            raise UnsafePickleError(
                f"numpy.dtype {self.code!r} with the state {state!r}; expected plain numbers"
            )
        self.order = order

    def resolve(self) -> np.dtype[Any]:
        """Return the numeric type.

        Raises:
            UnsafePickleError: It is not numeric.
        """
        found = np.dtype(self.code)
        if found.kind not in _KINDS:
            raise UnsafePickleError(f"an array of type {found}; expected numbers")
        return found if self.order in "|=" else found.newbyteorder(self.order)  # type: ignore[arg-type]

    @property
    def is_object(self) -> bool:
        """True for arrays of Python objects, such as texts."""
        return self.code in ("O", "O8", "O4")


class StoredArray:
    """Replacement of ``numpy.ndarray`` while a pickle is read; :func:`plain` returns its array."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: NDArray[Any] | list[Any] = []

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        if not isinstance(kind, _Type):
            raise UnsafePickleError("an array's type is not a numpy.dtype")
        if kind.is_object:
            if len(shape) != 1 or not isinstance(data, list) or len(data) != shape[0]:
                raise UnsafePickleError(
                    f"an array of objects of shape {shape}; expected a list of that length"
                )
            self.values = data
        else:
            self.values = _array(data, kind, shape, "F" if fortran else "C")


def _array(data: Any, kind: _Type, shape: Any, order: Any) -> NDArray[Any]:
    """Return a read-only array over ``data``, whose length NumPy checks."""
    if isinstance(data, str):  # pickles of Python 2
        data = data.encode("latin-1")
    if not isinstance(data, (bytes, bytearray)) or order not in ("C", "F"):
        raise UnsafePickleError(f"an array's numbers are of type {type(data).__name__}; expected bytes")
    values: NDArray[Any] = np.frombuffer(data, kind.resolve()).reshape(shape, order=order)
    values.flags.writeable = False
    return values


def _scalar(kind: _Type, data: Any) -> int | float | bool:
    (value,) = _array(data, kind, (1,), "C").tolist()
    return value  # type: ignore[no-any-return]


def _bytes(text: str, encoding: str = "latin1") -> bytes:
    """Return the bytes of a text, as which protocol 2 stores bytes."""
    if encoding not in ("latin1", "latin-1", "utf-8", "ascii"):
        raise ValueError(f"encoding {encoding!r}")
    return text.encode(encoding)


def _bytearray(data: Any = b"", encoding: str = "latin1") -> bytearray:
    if isinstance(data, int):
        raise ValueError(f"bytearray({data})")
    return bytearray(_bytes(data, encoding) if isinstance(data, str) else data)


def _no_bytes() -> bytes:
    """Return empty bytes, as older protocols store them; ``bytes(n)`` could fill the memory."""
    return b""


def _storage(data: Any) -> Tensor:
    """Return the numbers ``(n,)`` of a tensor in a pickle, read by torch with ``weights_only``."""
    if not isinstance(data, bytes):
        raise ValueError(f"a tensor's storage is of type {type(data).__name__}; expected bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about typed storages in old files
        stored = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        return torch.tensor([], dtype=stored.dtype).set_(stored._untyped_storage)


def _tensor(
    storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> StoredArray:
    """Return a tensor as an array; torch checks the bounds of its storage."""
    if not isinstance(storage, Tensor):
        raise ValueError("the storage of a tensor is not a tensor")
    found = StoredArray()
    try:
        found.values = storage.as_strided(size, stride, offset).float().numpy().copy()
    except RuntimeError as error:
        raise ValueError(f"a tensor does not fit its storage: {error}") from error
    return found


_MAKERS: dict[str, Callable[..., Any]] = {
    "torch.storage._load_from_bytes": _storage,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "numpy.dtype": _Type,
    "numpy.ndarray": StoredArray,
    "_codecs.encode": _bytes,
    "collections.OrderedDict": OrderedDict,
}
for _package in ("numpy.core", "numpy._core"):
    _MAKERS[f"{_package}.multiarray._reconstruct"] = lambda *_: StoredArray()
    _MAKERS[f"{_package}.multiarray.scalar"] = _scalar
    _MAKERS[f"{_package}.numeric._frombuffer"] = lambda data, kind, shape, order: _array(
        data, kind, shape, order
    )
for _package in ("builtins", "__builtin__"):
    for _kind in (list, dict, tuple, set, frozenset):
        _MAKERS[f"{_package}.{_kind.__name__}"] = _kind
    _MAKERS[f"{_package}.bytearray"] = _bytearray
    _MAKERS[f"{_package}.bytes"] = _no_bytes


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full not in _MAKERS:
            raise UnsafePickleError(f"it names {full!r}, which numbers, texts and containers do not require")
        return _Maker(full, _MAKERS[full])

    def persistent_load(self, pid: Any) -> NoReturn:
        raise UnsafePickleError("it refers to objects outside of itself")


def load_pickle(file: BinaryIO, name: str) -> Any:
    """Return the content of a pickle: numbers, texts, containers, and :class:`StoredArray` for arrays.

    No object that the pickle names is imported or called.

    Args:
        file: The pickle, of any protocol.
        name: Name of the file, for messages.

    Raises:
        UnsafePickleError: It contains other objects.
        ValueError: It is damaged.
    """
    try:
        return _Unpickler(file, encoding="latin1").load()
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{name} is refused: {error}") from error
    except (pickle.UnpicklingError, EOFError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{name} is not a whole pickle: {error}") from error


def plain(value: Any) -> Any:
    """Return the array (or the list of objects) of a :class:`StoredArray`, or any other value itself."""
    return value.values if isinstance(value, StoredArray) else value
