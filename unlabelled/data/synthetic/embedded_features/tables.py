"""Held-out films and scenes as tables, with the columns that converted evaluation sets have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unlabelled.data.features.column_format import Column, ragged, scalar, text
from unlabelled.data.features.column_writer import ColumnWriter
from unlabelled.data.synthetic.embedded.classes import LEAVES
from unlabelled.data.synthetic.embedded_features.howto100m import Features, spectrogram
from unlabelled.data.synthetic.embedded_features.scenes import SceneFeatures
from unlabelled.data.synthetic.embedded_features.videos import Film, Scene

FILMS, SCENES = "films", "scenes"


def write_films(path: str, films: Sequence[Film], features: Features) -> None:
    """Write a retrieval set: ``id``, ``2d``, ``3d``, ``audio``, ``eval_caption``, and a ``thumbnail``.

    The thumbnail has a frame of each scene, side by side.
    """
    first = _row([features[scene] for scene in films[0].scenes])
    with ColumnWriter(path, {**_columns(first), "id": text(key=True), "eval_caption": text()}) as writer:
        for film in films:
            row = _row([features[scene] for scene in film.scenes])
            writer.append({**row, "id": film.identifier, "eval_caption": film.caption})


def write_scenes(path: str, scenes: Sequence[Scene], features: Features) -> None:
    """Write a labelled set: ``video``, ``2d``, ``3d``, ``audio``, ``class``, and a ``thumbnail``."""
    first = _row([features[scenes[0]]])
    with ColumnWriter(path, {**_columns(first), "video": text(key=True), "class": text()}) as writer:
        for scene in scenes:
            row = _row([features[scene]])
            writer.append({**row, "video": scene.file, "class": LEAVES[scene.leaf].name})


def _columns(row: dict[str, Any]) -> dict[str, Column]:
    columns = {name: ragged("f2", row[name].shape[1]) for name in ("2d", "3d", "audio")}
    return {**columns, "thumbnail": scalar("u1", *row["thumbnail"].shape)}


def _row(scenes: Sequence[SceneFeatures]) -> dict[str, Any]:
    return {
        "2d": np.concatenate([scene.frames for scene in scenes]).astype(np.float16),
        "3d": np.concatenate([scene.chunks for scene in scenes]).astype(np.float16),
        "audio": spectrogram(scenes).T,
        "thumbnail": np.concatenate([scene.thumbnail for scene in scenes], axis=1),
    }
