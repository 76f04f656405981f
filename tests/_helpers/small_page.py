"""A page of a few small files whose names are hard to show."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io.wavfile
from numpy.typing import NDArray
from PIL import Image

from unlabelled.data.synthetic.mp4 import write_mp4
from unlabelled.page import Samples

NAMES = (
    "plain.mp4",
    "<script>document.title='bad'<&script>.mp4",
    'it\'s "quoted", 50% #1?.mp4',
    "\N{CAT FACE} \N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET}.mp4",
    "tone.wav",
    "square.png",
)
COPIES = 4


def write_files(folder: Path) -> list[str]:
    """Write four files of each name; return their paths."""
    paths = []
    for copy in range(COPIES):
        for number, name in enumerate(NAMES):
            path = folder / str(copy) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, 40 * number + copy)
            paths.append(str(path))
    return paths


def write_file(path: Path, value: int) -> None:
    """Write a video, an audio file or an image by its ending; ``value`` is its colour and pitch."""
    rate = 16000
    times = np.arange(rate) / rate
    tone = (0.3 * np.sin(2 * np.pi * (200 + 4 * value) * times)).astype(np.float32)
    frames = [np.full((24, 32, 3), (value, 90, 8 * frame), np.uint8) for frame in range(10)]
    if path.suffix == ".mp4":
        write_mp4(path, frames, Fraction(10), tone[None], rate)
    elif path.suffix == ".wav":
        scipy.io.wavfile.write(path, rate, (tone * 32767).astype(np.int16))
    else:
        Image.fromarray(frames[5]).save(path)


def samples(paths: list[str], labels: list[str] | None = None) -> Samples:
    """Return samples in two clusters, 1 and 3."""
    count = len(paths)
    return Samples(
        paths,
        np.zeros(count),
        np.array([np.nan if path.endswith("png") else 1.0 for path in paths]),
        ["train"] * count,
        labels or [""] * count,
        np.where(np.arange(count) % len(NAMES) < 3, 1, 3),
        np.linspace(0.99, 0.5, count),
        [""] * count,
    )


def features(count: int) -> dict[str, NDArray[np.float32]]:
    """Return the features of the samples: those of one name are near each other."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(len(NAMES), 6))
    rows = centres[np.arange(count) % len(NAMES)] + 0.05 * rng.normal(size=(count, 6))
    return {"video": rows.astype(np.float32), "audio": rng.normal(size=(count, 4)).astype(np.float32)}


def page_data(page: Path) -> dict[str, Any]:
    """Return the data in the document of a page."""
    text = (page / "index.html").read_text("ascii")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data
