"""Read arrays from ``.npz`` and ``.npy`` files without pickle, and check them."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.reader import DecodeError


def read_array(paths: Sequence[str], key: str) -> tuple[NDArray[Any], str]:
    """Return an array and the name of its source, ``file[key]``.

    Args:
        paths: Possible files; the first existing one is read. An ``.npy`` has no key and is memory-mapped.
        key: Name of the array in an ``.npz``.

    Raises:
        DecodeError: There is no such file, it is damaged, it lacks the key, or it holds pickled objects.
    """
    path = next((path for path in paths if os.path.exists(path)), None)
    if path is None:
        others = f", nor {', nor '.join(paths[1:])}" if len(paths) > 1 else ""
        raise DecodeError(paths[0], f"no such file{others}")
    if path.endswith(".npy"):
        return _numeric(_load(path), path), path
    with _load(path) as archive:
        if key not in archive.files:
            raise DecodeError(path, f"expected an array {key!r}, found {', '.join(archive.files) or 'none'}")
        where = f"{path}[{key}]"
        try:
            array = archive[key]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DecodeError(where, f"unreadable: {error}") from error
    return _numeric(array, where), where


def check_shape(where: str, array: NDArray[Any], shape: tuple[int | None, ...]) -> None:
    """Check the shape of an array; None: any length.

    Raises:
        DecodeError: The shape differs; the message contains ``where``.
    """
    fits = array.ndim == len(shape) and all(
        length in (None, found) for length, found in zip(shape, array.shape, strict=True)
    )
    if not fits:
        expected = str(shape).replace("None", "n")
        raise DecodeError(where, f"expected an array {expected}, found {array.shape}")


def check_finite(where: str, array: NDArray[Any]) -> None:
    """Check that an array has neither NaN nor infinity.

    Raises:
        DecodeError: It has; the message contains ``where``.
    """
    finite = np.isfinite(array)
    if not finite.all():
        raise DecodeError(where, f"expected finite numbers, found {int((~finite).sum())} that are not")


def _load(path: str) -> Any:
    try:
        return np.load(path, mmap_mode="r" if path.endswith(".npy") else None, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DecodeError(path, f"unreadable: {error}") from error


def _numeric(array: Any, where: str) -> NDArray[Any]:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise DecodeError(where, f"expected numbers, found {getattr(array, 'dtype', type(array).__name__)}")
    return array
