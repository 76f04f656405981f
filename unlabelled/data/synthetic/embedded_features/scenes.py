"""Features and waveform of one embedded clip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import choose_frames
from unlabelled.data.synthetic.embedded_features.encoders import CHUNK, CHUNK_FRAMES, ImageEncoder

FPS = 24  # frames per second for the 3D features; 24 / 16 = 1.5 features per second
SAMPLE_RATE = 16000
_SHORT_SIDE = 84  # pixels of a thumbnail; the encoder gets half of it


@dataclass(frozen=True)
class SceneFeatures:
    """Features of one clip.

    Attributes:
        frames: 2D features ``(seconds, dim)``, one per second.
        chunks: 3D features ``(1.5 * seconds, dim)``, of 16 frames each.
        waveform: ``(16000 * seconds,)``.
        thumbnail: Frame ``(84, width, 3)`` from the middle.
    """

    frames: NDArray[np.float32]
    chunks: NDArray[np.float32]
    waveform: NDArray[np.float32]
    thumbnail: NDArray[np.uint8]


def read_scene(path: Path, seconds: int, encoder: ImageEncoder) -> SceneFeatures:
    """Decode and encode a clip of an even number of seconds, a whole number of chunks.

    Raises:
        DecodeError: The clip cannot be read.
    """
    reader = PyAVReader()
    times, frames = reader.all_frames(str(path), _SHORT_SIDE)
    indices = choose_frames(times, np.arange(FPS * seconds) / FPS)
    chunks = _halved(frames[indices.reshape(-1, CHUNK)[:, CHUNK_FRAMES].ravel()])
    return SceneFeatures(
        encoder.frames(_halved(frames[indices[::FPS]])),
        encoder.chunks(chunks.reshape(-1, len(CHUNK_FRAMES), *chunks.shape[1:])),
        reader.waveform(str(path), 0.0, seconds, SAMPLE_RATE),
        frames[indices[len(indices) // 2]].copy(),  # a NumPy view would keep all frames in memory
    )


def _halved(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return frames ``(n, height, width, 3)`` of half the size, means of 2 x 2 pixels."""
    height, width = frames.shape[1] // 2 * 2, frames.shape[2] // 2 * 2
    cut = frames[:, :height, :width].astype(np.uint16)
    rows = cut[:, ::2] + cut[:, 1::2]
    return ((rows[:, :, ::2] + rows[:, :, 1::2] + 2) // 4).astype(np.uint8)
