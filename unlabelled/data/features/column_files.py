"""Opens the files of a table, after a look at whether they are what they should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.features.column_format import FORMAT


def read_description(path: Path) -> dict[str, Any]:
    """Return what ``table.json`` says.

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
        raise ValueError(f"{path} is not of format {FORMAT}; write the table anew with this version")
    if not isinstance(stored.get("columns"), dict) or not isinstance(stored.get("rows"), int):
        raise ValueError(f"{path} is damaged: it does not say its rows and columns")
    return {"meta": {}, **stored}


def map_array(path: Path, dtype: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Map a file of the expected type and shape; None: any length.

    Raises:
        ValueError: It is damaged, or something else.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, FileNotFoundError) as error:
        raise ValueError(f"{path} is damaged or missing ({error}); write the table anew") from error
    fits = array.ndim == len(shape) and all(
        wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype != np.dtype(dtype):
        expected = f"{np.dtype(dtype)} {shape}".replace("None", "n")
        raise ValueError(f"{path}: expected {expected}, found {array.dtype} {array.shape}")
    # A plain array over the same map: np.memmap's own bookkeeping costs microseconds at every access.
    return np.asarray(array).view(np.ndarray)
