"""What the encoders and the microphone give of one embedded clip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import choose_frames
from unlabelled.data.synthetic.embedded_features.encoders import CHUNK, CHUNK_FRAMES, ImageEncoder

FPS = 24  # of the 3D features; 24 / 16 = 1.5 of them a second
SAMPLE_RATE = 16000
_SHORT_SIDE = 84  # pixels of a thumbnail; the encoders see half of it


@dataclass(frozen=True)
class SceneFeatures:
    """Features of one clip.

    Attributes:
        frames: ``(seconds, dim)``, one a second.
        chunks: ``(1.5 * seconds, dim)``, of 16 frames each.
        sound: ``(16000 * seconds,)``.
        thumbnail: ``(84, width, 3)``, from its middle.
    """

    frames: NDArray[np.float32]
    chunks: NDArray[np.float32]
    sound: NDArray[np.float32]
    thumbnail: NDArray[np.uint8]


def read_scene(path: Path, seconds: int, encoder: ImageEncoder) -> SceneFeatures:
    """Decode and encode a clip of an even number of seconds, so that chunks end where it ends.

    Raises:
        DecodeError: It cannot be read.
    """
    reader = PyAVReader()
    times, pictures = reader.all_frames(str(path), _SHORT_SIDE)
    shown = choose_frames(times, np.arange(FPS * seconds) / FPS)
    chunks = _halved(pictures[shown.reshape(-1, CHUNK)[:, CHUNK_FRAMES].ravel()])
    return SceneFeatures(
        encoder.frames(_halved(pictures[shown[::FPS]])),
        encoder.chunks(chunks.reshape(-1, len(CHUNK_FRAMES), *chunks.shape[1:])),
        reader.waveform(str(path), 0.0, seconds, SAMPLE_RATE),
        pictures[shown[len(shown) // 2]].copy(),  # a NumPy view would keep all of them in memory
    )


def _halved(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures ``(n, height, width, 3)`` of half the size: means of 2 x 2 pixels."""
    height, width = pictures.shape[1] // 2 * 2, pictures.shape[2] // 2 * 2
    cut = pictures[:, :height, :width].astype(np.uint16)
    rows = cut[:, ::2] + cut[:, 1::2]
    return ((rows[:, :, ::2] + rows[:, :, 1::2] + 2) // 4).astype(np.uint8)
