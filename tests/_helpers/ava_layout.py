"""A tiny data set in the format and layout of AVA: two movies, cut from second 900 on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests._helpers.media_files import paint_number, write_clip

FPS, SIZE = 30, (64, 48)
MOVIES = {"train": "abc_123", "val": "xyz-456"}
ACTIONS = {1: "bend", 3: "walk"}  # action 2 is not evaluated
ROWS = {
    "train": [
        "abc_123,0902,0.1,0.2,0.4,0.9,1,0",
        "abc_123,0902,0.1,0.2,0.4,0.9,3,0",
        "abc_123,0903,0.5,0.1,0.9,0.8,2,1",
    ],
    "val": [
        "xyz-456,0902,0.1,0.2,0.4,0.9,1,0",
        "xyz-456,0903,0.5,0.1,0.9,0.8,3,1",
        "xyz-456,0903,0.5,0.1,0.9,0.8,2,1",
        "xyz-456,0904,0.0,0.0,0.5,0.5,1,2",
    ],
}
DETECTED = {
    "train": ["abc_123,0903,0.5,0.12,0.9,0.8,2,0.95", "abc_123,0903,0.0,0.0,0.2,0.2,,0.91"],
    "val": [
        "xyz-456,0902,0.12,0.2,0.4,0.9,,0.99",
        "xyz-456,0903,0.5,0.1,0.88,0.8,,0.93",
        "xyz-456,0903,0.0,0.1,0.2,0.8,,0.2",
    ],
}
EXCLUDED = {"val": ["xyz-456,0904"]}


def ava(root: Path, frames: bool = False) -> Path:
    """Write lists, and movies of five seconds: files, or folders of frames."""
    annotations = root / "annotations"
    annotations.mkdir(parents=True)
    for split, rows in ROWS.items():
        (annotations / f"ava_{split}_v2.2.csv").write_text("\n".join(rows) + "\n")
        (annotations / f"detected_{split}.csv").write_text("\n".join(DETECTED[split]) + "\n")
    for split, excluded in EXCLUDED.items():
        (annotations / f"ava_{split}_excluded_timestamps_v2.2.csv").write_text("\n".join(excluded) + "\n")
    entries = [
        f'label {{\n  name: "{name}"\n  label_id: {number}\n  label_type: PERSON_MOVEMENT\n}}\n'
        for number, name in ACTIONS.items()
    ]
    (annotations / "ava_action_list_v2.2_for_activitynet_2019.pbtxt").write_text("".join(entries))
    for name in MOVIES.values():
        if frames:
            write_frames(root / "frames" / name, 5 * FPS)
        else:
            write_clip(root / f"{name}.mp4", duration=5.0, fps=FPS, size=SIZE, layout=None)
    return root


def write_frames(folder: Path, count: int) -> None:
    """Write frames from number 1 on, in which their index is painted."""
    folder.mkdir(parents=True)
    for index in range(count):
        pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] = paint_number(index, SIZE)
        Image.fromarray(pixels).save(folder / f"{folder.name}_{index + 1:06d}.jpg")
