"""Training videos in the layout of HowTo100M: list, features and spectrograms by video, timed captions."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unlabelled.data.datasets.howto100m import PUBLISHED_FILES
from unlabelled.data.features.captions import write_captions
from unlabelled.data.features.spectrogram import AVLnetSpectrogram
from unlabelled.data.synthetic.embedded_features.scenes import SceneFeatures
from unlabelled.data.synthetic.embedded_features.videos import Scene, Video
from unlabelled.data.synthetic.embedded_features.words import spoken

LIST, CAPTIONS = "train.csv", "captions"
FEATURES, AUDIO = "features", "audio"
_SHELF = 100  # videos in a subfolder

Features = Mapping[Scene, SceneFeatures]


def write_training_videos(folder: Path, videos: Sequence[Video], features: Features, seconds: int) -> None:
    """Write the list, the captions, and a folder of features and one of spectrograms for each video.

    Args:
        folder: Folder to write to.
        videos: The videos, in order.
        features: Features of all scenes.
        seconds: Duration of a scene.

    Source: roudimit/AVLnet, training.md; docs/methods/sspc.md#features.
    """
    paths = [f"{video.category}/{n // _SHELF:03d}/{video.identifier}" for n, video in enumerate(videos)]
    with (folder / LIST).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("path",), *((path,) for path in paths)])
    write_captions(
        str(folder / CAPTIONS), ((video.identifier, _captions(video, seconds)) for video in videos)
    )
    for video, path in zip(videos, paths, strict=True):
        _write_video(folder, path, [features[scene] for scene in video.scenes])


def _captions(video: Video, seconds: int) -> dict[str, list[Any]]:
    starts = [float(seconds * index) for index in range(len(video.scenes))]
    texts = [spoken(scene.caption) for scene in video.scenes]
    return {"start": starts, "end": [start + seconds for start in starts], "text": texts}


def _write_video(folder: Path, path: str, scenes: Sequence[SceneFeatures]) -> None:
    """Write the features of a video to the first of their published paths."""
    rows: dict[str, NDArray[np.float16]] = {
        "rows_2d": np.concatenate([scene.frames for scene in scenes]).astype(np.float16),
        "rows_3d": np.concatenate([scene.chunks for scene in scenes]).astype(np.float16),
        "spectrogram": spectrogram(scenes),
    }
    for part, array in rows.items():
        _, key = PUBLISHED_FILES.part(part)
        file = Path(PUBLISHED_FILES.paths(str(folder), path, part)[0])
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, allow_pickle=False, **{key: array})


def spectrogram(scenes: Sequence[SceneFeatures]) -> NDArray[np.float16]:
    """Return AVLnet's log-mel spectrogram ``(40, 100 * seconds + 1)`` of concatenated scenes."""
    waveform = torch.from_numpy(np.concatenate([scene.waveform for scene in scenes]))
    return AVLnetSpectrogram()(waveform).numpy().astype(np.float16)
