"""Read the input files: features, and one label or name per row."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unlabelled.commands.errors.suggestions import hint
from unlabelled.commands.hierarchy.pre_clusters import Rows

_UNREADABLE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)
_CHUNK = 65536  # rows that are checked at once


def read_features(path: str, key: str | None = None) -> Rows:
    """Return the features ``(n, d)`` of a file: finite numbers, at least two rows.

    Args:
        path: A file ``.npy``, ``.npz``, ``.pt`` or ``.pth`` (a tensor, or a dictionary with tensors).
        key: The name of the array in a file with several.

    Returns: float64 for float64 and for integers of 32 bits and more; float32 for all other types. Booleans
        become 0 and 1.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file cannot be read, or has other content; the message names the file and the content.
    """
    readers = {".npy": _npy, ".npz": _npz, ".pt": _pt, ".pth": _pt}
    suffix = Path(path).suffix.lower()
    if suffix not in readers:
        raise ValueError(
            f"{path}: expected one of {', '.join(readers)}, .csv, .tsv, .txt; found {suffix or 'no suffix'}"
        )
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return checked_features(path, readers[suffix](path, key))


def read_array(path: str) -> Any:
    """Return the array of a file ``.npy``."""
    return _npy(path, None)


def checked_features(name: str, array: Any) -> Rows:
    """Return an array as features.

    Args:
        name: The name of the array in error messages.
        array: Any object.

    Raises:
        ValueError: It is no array of finite real numbers ``(n, d)`` with at least two rows and one column.

    >>> checked_features("rows", np.array([[1, 2], [3, 4]], dtype=np.int16)).dtype
    dtype('float32')
    """
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name}: expected an array of numbers (n, d), found {type(array).__name__}")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name}: the array is of type {array.dtype}, expected real numbers or integers")
    if array.ndim != 2:
        raise ValueError(
            f"{name}: the array has shape {array.shape}, expected two dimensions (n, d): a row per sample; "
            "reshape it, or average over the other dimensions"
        )
    if array.shape[0] < 2 or array.shape[1] < 1:
        raise ValueError(
            f"{name}: the array has shape {array.shape}; a hierarchy needs at least two rows and one column"
        )
    exact = array.dtype in (np.bool_, np.float16, np.float32, np.int8, np.uint8, np.int16, np.uint16)
    features: Rows = array.astype(np.float32) if exact else array.astype(np.float64)
    if len(bad := _bad_rows(features)):
        numbers = ", ".join(map(str, bad[:10])) + (", ..." if len(bad) > 10 else "")
        raise ValueError(
            f"{name}: {len(bad)} of {len(features)} rows contain NaN or infinity: rows {numbers} (from 0); "
            "remove or replace them"
        )
    return features


def read_lines(path: str, num_rows: int) -> list[str]:
    """Return one text per row of the features.

    Args:
        path: A file ``.npy`` of integers or strings, or a text file with one entry per line.
        num_rows: The expected number of entries.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file cannot be read, or has another number of entries.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if Path(path).suffix.lower() == ".npy":
        array = _npy(path, None)
        if array.ndim != 1 or array.dtype.kind not in "iuUb":
            raise ValueError(
                f"{path}: an array of {array.dtype} of shape {array.shape}; expected integers or strings (n,)"
            )
        texts = [str(value) for value in array.tolist()]
    else:
        texts = _text_lines(path)
    if len(texts) != num_rows:
        raise ValueError(f"{path}: {len(texts)} entries, expected {num_rows}, one per row of the features")
    return texts


def _bad_rows(features: Rows) -> list[int]:
    bad: list[int] = []
    for begin in range(0, len(features), _CHUNK):
        finite = np.isfinite(features[begin : begin + _CHUNK]).all(1)
        bad += (begin + np.flatnonzero(~finite)).tolist()
    return bad


def _npy(path: str, key: str | None) -> Any:
    if key is not None:
        raise ValueError(f"{path}: a .npy file has one array; remove --key {key!r}")
    return _load(path)


def _npz(path: str, key: str | None) -> Any:
    content = _load(path)
    if not isinstance(content, np.lib.npyio.NpzFile):
        raise ValueError(f"{path}: is no .npz file; rename a file of a single array to .npy")
    with content:
        name = _chosen(path, dict.fromkeys(content.files), key)
        try:
            return content[name]
        except _UNREADABLE as error:
            raise ValueError(f"{path}: the array {name!r} cannot be read: {_reason(error)}") from error


def _load(path: str) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except _UNREADABLE as error:
        raise ValueError(f"{path}: cannot be read: {_reason(error)}") from error


def _pt(path: str, key: str | None) -> Any:
    try:
        content = torch.load(io.BytesIO(Path(path).read_bytes()), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises any error of its parser
        raise ValueError(
            f"{path}: cannot be read: {_reason(error)}; write it with torch.save(tensor, path)"
        ) from error
    if isinstance(content, Mapping):
        content = content[_chosen(path, {k: v for k, v in content.items() if torch.is_tensor(v)}, key)]
    elif key is not None:
        raise ValueError(f"{path}: has no dictionary; remove --key {key!r}")
    if not isinstance(content, torch.Tensor):
        return content
    content = content.detach()
    try:
        return (content.float() if content.dtype == torch.bfloat16 else content).numpy()
    except (TypeError, RuntimeError) as error:  # sparse, of eight bits, conjugated ...
        raise ValueError(
            f"{path}: NumPy has no tensor of {content.dtype}, {content.layout}; write "
            "tensor.to_dense() or tensor.float()"
        ) from error


def _chosen(path: str, arrays: Mapping[Any, Any], key: str | None) -> Any:
    names = [str(name) for name in arrays]
    if key is None and len(names) == 1:
        return next(iter(arrays))
    if key in names:
        return key
    reason = "" if key is None else f"there is no array {key!r}{hint(key, names)}; "
    raise ValueError(f"{path}: {reason}name one with --key: {', '.join(names) or 'there is none'}")


def _text_lines(path: str) -> list[str]:
    """Split at line feeds only, because names may contain the other separators of ``splitlines``."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            lines = file.read().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read as text in UTF-8: {_reason(error)}") from error
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if "allow_pickle" in text:
        return "it has Python objects, or is no NumPy file; expected plain numbers"
    # The advice in torch's message would run code in the file.
    if "weights_only" in text or isinstance(error, (IndexError, EOFError)):
        return "it has other objects than tensors, or is damaged"
    return text[:200] or type(error).__name__
