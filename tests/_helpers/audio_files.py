"""Small audio files, and audio data sets in their public layouts."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np

from datamodules.dcase2014 import SCENES

RATE = 8000


def write_tone(
    path: str | os.PathLike[str],
    hertz: float,
    seconds: float = 1.0,
    rate: int = RATE,
    channels: int = 1,
    seed: int = 0,
) -> Path:
    """Write a tone with some noise as 16-bit PCM."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.02, len(times))
    signal = 0.5 * np.sin(2 * np.pi * hertz * times) + noise
    with wave.open(str(target), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(signal[:, None] * 20000, channels, 1).astype("<i2").tobytes())
    return target


def esc50(root: Path, classes: int = 9, per_fold: int = 1) -> Path:
    """ESC-50: the list and the recordings, each class a tone of its own."""
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for fold in range(1, 6):
        for target in range(classes):
            for take in range(per_fold):
                source = 1000 * fold + 10 * target + take
                name = f"{fold}-{source}-A-{target}.wav"
                write_tone(root / "audio" / name, 200 + 300 * target, seed=source)
                lines.append(f"{name},{fold},{target},class {target},False,{source},A")
    (root / "meta").mkdir(exist_ok=True)
    (root / "meta" / "esc50.csv").write_text("\n".join(lines) + "\n")
    return root


def dcase2014(root: Path, per_scene: int = 2) -> Path:
    """DCASE2014: the folders of the two archives; the numbers of recordings have gaps."""
    for folder in ("scenes_stereo", "scenes_stereo_testset"):
        for label, scene in enumerate(SCENES):
            for number in range(per_scene):
                path = root / folder / f"{scene}{3 * number + 1:02d}.wav"
                write_tone(path, 200 + 300 * label, channels=2, seed=number + 7 * (folder == "scenes_stereo"))
    return root
