"""Tables of evaluation sets as the converter makes them, with things missing and things damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests._helpers.feature_layouts import DIM_2D, DIM_3D
from unlabelled.data.features.records import write_records


def record(number: int, seconds: int = 6, **more: Any) -> dict[str, Any]:
    """One video as the published pickles have it; None takes a key out."""
    rng = np.random.default_rng(number)
    parts = {
        "id": f"video{number}",
        "2d": rng.normal(size=(seconds, DIM_2D)).astype(np.float32),
        "3d": rng.normal(size=(int(1.5 * seconds), DIM_3D)).astype(np.float32),
        "audio": rng.uniform(-80, 0, size=(40, 100 * seconds)).astype(np.float32),
        **more,
    }
    return {key: value for key, value in parts.items() if value is not None}


def write(folder: Path, records: list[dict[str, Any]]) -> str:
    """Write a table; return its folder."""
    write_records(str(folder), records, folder.name)
    return str(folder)
