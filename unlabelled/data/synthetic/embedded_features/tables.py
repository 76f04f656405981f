"""Write held-out videos and scenes as tables, with the columns of converted evaluation sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unlabelled.data.features.column_format import Column, ragged, scalar, text
from unlabelled.data.features.column_writer import ColumnWriter
from unlabelled.data.synthetic.embedded.classes import LEAVES
from unlabelled.data.synthetic.embedded_features.howto100m import Features, spectrogram
from unlabelled.data.synthetic.embedded_features.scenes import SceneFeatures
from unlabelled.data.synthetic.embedded_features.videos import Scene, Video

VIDEOS, SCENES = "films", "scenes"


def write_videos(path: str, videos: Sequence[Video], features: Features) -> None:
    """Write a retrieval set: ``id``, ``2d``, ``3d``, ``audio``, ``eval_caption``, and a ``thumbnail``.

    The thumbnail has one frame of each scene, side by side.
    """
    first = _row([features[scene] for scene in videos[0].scenes])
    with ColumnWriter(path, {**_columns(first), "id": text(key=True), "eval_caption": text()}) as writer:
        for video in videos:
            row = _row([features[scene] for scene in video.scenes])
            writer.append({**row, "id": video.identifier, "eval_caption": video.caption})


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
