"""Training films in the layout of HowTo100M: list, features and spectrograms by video, timed captions."""

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
from unlabelled.data.synthetic.embedded_features.videos import Film, Scene
from unlabelled.data.synthetic.embedded_features.words import spoken

LIST, CAPTIONS = "train.csv", "captions"
FEATURES, AUDIO = "features", "audio"
_SHELF = 100  # films in a subfolder

Features = Mapping[Scene, SceneFeatures]


def write_training_films(folder: Path, films: Sequence[Film], features: Features, seconds: int) -> None:
    """Write the list, the captions, and a folder of features and one of spectrograms for each film.

    Args:
        folder: Folder to write to.
        films: The films, in order.
        features: Features of all their scenes.
        seconds: Length of a scene.

    Source: roudimit/AVLnet, training.md; docs/methods/sspc.md#features.
    """
    paths = [f"{film.category}/{n // _SHELF:03d}/{film.identifier}" for n, film in enumerate(films)]
    with (folder / LIST).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("path",), *((path,) for path in paths)])
    write_captions(str(folder / CAPTIONS), ((film.identifier, _captions(film, seconds)) for film in films))
    for film, path in zip(films, paths, strict=True):
        _write_film(folder, path, [features[scene] for scene in film.scenes])


def _captions(film: Film, seconds: int) -> dict[str, list[Any]]:
    starts = [float(seconds * place) for place in range(len(film.scenes))]
    texts = [spoken(scene.caption) for scene in film.scenes]
    return {"start": starts, "end": [start + seconds for start in starts], "text": texts}


def _write_film(folder: Path, path: str, scenes: Sequence[SceneFeatures]) -> None:
    """Write a film's features where they are looked for first."""
    rows: dict[str, NDArray[np.float16]] = {
        "rows_2d": np.concatenate([scene.frames for scene in scenes]).astype(np.float16),
        "rows_3d": np.concatenate([scene.chunks for scene in scenes]).astype(np.float16),
        "spectrogram": spectrogram(scenes),
    }
    for part, array in rows.items():
        places, key = PUBLISHED_FILES.part(part)
        file = folder / places[0].format(path=path, id=path.rsplit("/", 1)[-1])
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, allow_pickle=False, **{key: array})


def spectrogram(scenes: Sequence[SceneFeatures]) -> NDArray[np.float16]:
    """Return AVLnet's log-mel spectrogram ``(40, 100 * seconds + 1)`` of scenes one after the other."""
    waveform = torch.from_numpy(np.concatenate([scene.sound for scene in scenes]))
    return AVLnetSpectrogram()(waveform).numpy().astype(np.float16)
