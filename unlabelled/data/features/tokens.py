"""Tokens and frames of one clip, from the features and the spectrogram of a whole video.

Rows are features ``(n, dim)`` in temporal order, at a fixed rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]
Strategy = Literal["clip", "nearest", "max_pool"]

SAMPLE_RATE = 16000  # Hz, of the waveforms that the spectrograms were made of
WINDOW, HOP = 400, 160  # samples: 25 and 10 ms
_LEAST_NORM = 1e-12


def clip_rows(start: float, end: float, rate: float, num_rows: int) -> slice:
    """Return the rows of a clip, at ``rate`` rows per second: ``int(start * rate)`` to ``int(end * rate)``.

    The last one is included. Rows outside the video are left out, so the result may be empty. ``end`` may be
    infinite.

    Example:
        >>> clip_rows(2.0, 4.0, rate=1.5, num_rows=6)
        slice(3, 6, None)

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/dataset/utils.py; docs/methods/sspc.md#features.
    """
    first = min(max(0, int(start * rate)), num_rows)
    last = num_rows if math.isinf(end) else min(max(0, int(end * rate) + 1), num_rows)
    return slice(first, max(first, last))


def nearest_rows(num_rows: int, length: int) -> NDArray[np.int64]:
    """Return the rows of nearest-neighbour resampling to ``length``: ``floor(i * num_rows / length)``.

    Example:
        >>> nearest_rows(4, 6).tolist()
        [0, 0, 1, 2, 2, 3]
    """
    return np.arange(length, dtype=np.int64) * num_rows // max(1, length)


def l2_normalise(rows: Rows) -> NDArray[np.float32]:
    """Return rows of norm 1, float32; a row of zeros is not changed."""
    values = rows.astype(np.float32)
    norms = np.sqrt(np.square(values).sum(axis=-1, keepdims=True))
    normalised: NDArray[np.float32] = values / np.maximum(norms, _LEAST_NORM)
    return normalised


def video_tokens(
    streams: Sequence[Rows], num_tokens: int, strategy: Strategy = "clip"
) -> NDArray[np.float32]:
    """Return at most ``num_tokens`` tokens ``(t, sum of dims)`` of one clip, without padding.

    Each stream is L2-normalised, then they are concatenated along the features. All are resampled to the
    length of the last one (the 3D rows), by nearest neighbours, before truncation. If one of the streams has
    no rows, there are no tokens.

    Args:
        streams: ``(n, dim)`` each; 2D and 3D rows, or CLIP's alone.
        num_tokens: Largest number of tokens.
        strategy: ``clip`` keeps the first tokens. For ablations in evaluation: ``nearest`` resamples each
            stream to ``num_tokens``; ``max_pool`` first takes maxima over ``floor(n / num_tokens)`` rows.

    Source: SSPC supplement, section 5; Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/dataset/utils.py;
    docs/methods/sspc.md#features.
    """
    if any(len(rows) == 0 for rows in streams):
        return np.zeros((0, sum(rows.shape[1] for rows in streams)), np.float32)
    if strategy == "clip":
        length = len(streams[-1])
        chosen = [rows[nearest_rows(len(rows), length)[:num_tokens]] for rows in streams]
    else:
        pooled = [max_pooled(rows, num_tokens) if strategy == "max_pool" else rows for rows in streams]
        chosen = [rows[nearest_rows(len(rows), num_tokens)] for rows in pooled]
    return np.concatenate([l2_normalise(rows) for rows in chosen], axis=1)


def max_pooled(rows: Rows, num_tokens: int) -> Rows:
    """Return the maxima over blocks of ``floor(n / num_tokens)`` rows; an incomplete block is left out."""
    size = len(rows) // num_tokens
    if size <= 1:
        return rows
    blocks = len(rows) // size
    pooled: Rows = rows[: blocks * size].reshape(blocks, size, -1).max(axis=1)
    return pooled


def pad_tokens(tokens: Rows, num_tokens: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the first tokens, padded to ``(num_tokens, dim)``, and their mask ``(num_tokens,)``."""
    kept = tokens[:num_tokens]
    padded = np.zeros((num_tokens, tokens.shape[1]), np.float32)
    padded[: len(kept)] = kept
    return padded, np.arange(num_tokens) < len(kept)


def frame_at(seconds: float) -> int:
    """Return the frame at a time, ``floor((int(t * 16000) - 200) / 160)``, which may be negative.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/dataset/utils.py; docs/methods/sspc.md#features.
    """
    return (int(seconds * SAMPLE_RATE) - WINDOW // 2) // HOP


def frames_seconds(num_frames: int) -> float:
    """Return the duration of ``num_frames`` frames in seconds."""
    return (HOP * num_frames + WINDOW // 2) / SAMPLE_RATE if num_frames else 0.0


def audio_window(spectrogram: Rows, start: float, end: float) -> Rows:
    """Return the frames of ``spectrogram (bands, F)`` from one second to another.

    ``end`` may be infinite.
    """
    num_frames = spectrogram.shape[1]
    last = num_frames if math.isinf(end) else max(0, frame_at(end))
    return spectrogram[:, max(0, frame_at(start)) : last]


def pad_frames(
    frames: Rows, num_frames: int, padding: float = 0.0
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the first ``num_frames`` of ``frames (bands, F)``, padded at the end, and their mask.

    Args:
        frames: Log-mel energies in decibels, from -80 to 0.
        num_frames: Number of frames to return.
        padding: 0, as in the released code, is the loudest level; -80 is silence.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/dataset/utils.py; docs/methods/sspc.md#traps.
    """
    kept = frames[:, :num_frames]
    padded = np.full((frames.shape[0], num_frames), padding, np.float32)
    padded[:, : kept.shape[1]] = kept
    return padded, np.arange(num_frames) < kept.shape[1]
