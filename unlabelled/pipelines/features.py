"""Pipeline of clips of pre-extracted features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unlabelled.data.features.feature_files import check_finite, check_shape
from unlabelled.data.features.raw_clip import (
    AUDIO_BANDS,
    COUNTS,
    RESNET_2D,
    RESNEXT_3D,
    Budget,
    RawClip,
    Stream,
)
from unlabelled.data.features.text_encoder import TextEncoder
from unlabelled.data.features.tokens import (
    Strategy,
    audio_window,
    clip_rows,
    pad_frames,
    pad_tokens,
    video_tokens,
)
from unlabelled.data.media.reader import DecodeError
from unlabelled.pipelines.base import SamplePipeline

if TYPE_CHECKING:
    from unlabelled.batch import Batch

__all__ = ["AUDIO_BANDS", "COUNTS", "Budget", "FeaturePipeline", "RawClip", "Stream"]

_PER_CLIP = ("text", "text_mask", "video_features", "video_mask", "audio", "audio_mask", "counts")


class FeaturePipeline(SamplePipeline):
    """Makes tensors and masks of clips of pre-extracted features.

    Args:
        text: Maps captions to vectors.
        stream_2d: Features of frames, also those of CLIP.
        stream_3d: 3D features; the video tokens have their rate. ``null``: 2D features alone (CLIP).
        video_tokens: T of a training clip; evaluation sets may have other lengths.
        audio_frames: F of a training clip; 100 per second.
        max_words: W of a training clip.
        audio: Whether to read audio.
        audio_padding: Padding value after the last frame: 0, as in the released code, or -80, silence.
        strategy: How to shorten clips with more than T tokens, see
            :func:`~unlabelled.data.features.tokens.video_tokens`.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/dataset/utils.py; docs/methods/sspc.md#features.
    """

    def __init__(
        self,
        text: TextEncoder,
        stream_2d: Stream = RESNET_2D,
        stream_3d: Stream | None = RESNEXT_3D,
        video_tokens: int = 12,
        audio_frames: int = 768,
        max_words: int = 20,
        audio: bool = True,
        audio_padding: float = 0.0,
        strategy: Strategy = "clip",
    ) -> None:
        self.text, self.stream_2d, self.stream_3d = text, stream_2d, stream_3d
        self.budget = Budget(video_tokens, audio_frames, max_words)
        self.audio, self.audio_padding, self.strategy = audio, audio_padding, strategy

    @property
    def video_dim(self) -> int:
        """Width of a video token, the sum over all streams."""
        return sum(stream.dim for stream in self._streams().values())

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts of a :class:`RawClip` that are used, in addition to the texts."""
        return (*self._streams(), *(("spectrogram",) if self.audio else ()))

    def load(self, clip: RawClip, budget: Budget | None = None) -> dict[str, Tensor]:
        """Return the tensors of one clip.

        Args:
            clip: Parts of the clip.
            budget: Lengths of the tensors; None: those of training clips.

        Returns:
            ``text (W, Dt)``, ``text_mask (W,)``, ``video_features (T, Dv)``, ``video_mask (T,)``, with audio
            ``audio (1, 40, F)`` and ``audio_mask (F,)``; and ``counts (6,)``, see :data:`COUNTS`.

        Raises:
            DecodeError: Features are of another width than expected, or are not finite numbers.
        """
        budget = budget or self.budget
        counts = dict.fromkeys(COUNTS, 0)
        sample = {**self._text(clip, budget, counts), **self._video(clip, budget, counts)}
        if self.audio:
            sample.update(self._audio(clip, budget, counts))
        return {**_tensors(sample), "counts": torch.tensor(list(counts.values()))}

    def load_text(self, name: str, texts: Sequence[str], budget: Budget | None = None) -> dict[str, Tensor]:
        """Return ``text``, ``text_mask`` and ``counts`` alone; see :meth:`load`."""
        counts = dict.fromkeys(COUNTS, 0)
        sample = self._text(RawClip(name, texts), budget or self.budget, counts)
        return {**_tensors(sample), "counts": torch.tensor(list(counts.values()))}

    def load_clips(self, clips: Sequence[RawClip], budget: Budget | None = None) -> dict[str, Tensor]:
        """Return the tensors of several clips of one sample ``(clips, ...)``; see :meth:`load`."""
        loaded = [self.load(clip, budget) for clip in clips]
        return {key: torch.stack([each[key] for each in loaded]) for key in loaded[0]}

    def finish(self, batch: Batch) -> Batch:
        """Flatten the clips of videos into the batch dimension, from ``(V, n, ...)`` to ``(V*n, ...)``.

        Values per video, such as ``label`` and ``index``, are repeated. Batches of one clip per sample are
        returned unchanged.
        """
        counts = batch["counts"]
        if counts.ndim < 3:
            return batch
        videos, clips = counts.shape[:2]
        return {key: _flat(key, value, videos, clips) for key, value in batch.items()}

    def _streams(self) -> dict[str, Stream]:
        streams = {"rows_2d": self.stream_2d, "rows_3d": self.stream_3d}
        return {name: stream for name, stream in streams.items() if stream is not None}

    def _text(self, clip: RawClip, budget: Budget, counts: dict[str, int]) -> dict[str, NDArray[Any]]:
        remaining, parts, words, unknown = budget.max_words, [], 0, 0
        for text in clip.texts:
            encoded = self.text.encode(text, remaining)
            parts.append(encoded.tokens)
            words, unknown = words + encoded.num_words, unknown + encoded.num_unknown
            remaining -= len(encoded.tokens)
        empty = np.zeros((0, self.text.dim), np.float32)
        tokens, mask = pad_tokens(np.concatenate([empty, *parts]), budget.max_words)
        if not np.isfinite(tokens).all():
            raise DecodeError(clip.name, f"the vectors of {list(clip.texts)} are not finite numbers")
        counts["no_caption"] += not clip.texts
        counts["empty_caption"] += bool(clip.texts) and words == 0
        counts["no_known_word"] += words > 0 and not mask.any()
        counts["unknown_words"] += unknown
        return {"text": tokens, "text_mask": mask}

    def _video(self, clip: RawClip, budget: Budget, counts: dict[str, int]) -> dict[str, NDArray[Any]]:
        chosen = []
        for name, stream in self._streams().items():
            rows = getattr(clip, name)
            rows = np.zeros((0, stream.dim), np.float32) if rows is None else rows
            check_shape(clip.where(name), rows, (None, stream.dim))
            rows = rows[clip_rows(clip.start, clip.end, stream.fps, len(rows))]
            check_finite(clip.where(name), rows)
            chosen.append(rows)
        tokens = video_tokens(chosen, budget.video_tokens, self.strategy)
        counts["no_video"] += len(tokens) == 0
        tokens, mask = pad_tokens(tokens, budget.video_tokens)
        return {"video_features": tokens, "video_mask": mask}

    def _audio(self, clip: RawClip, budget: Budget, counts: dict[str, int]) -> dict[str, NDArray[Any]]:
        frames = clip.spectrogram
        frames = np.zeros((AUDIO_BANDS, 0), np.float32) if frames is None else frames
        check_shape(clip.where("spectrogram"), frames, (AUDIO_BANDS, None))
        frames = audio_window(frames, *(clip.audio_span or (clip.start, clip.end)))
        check_finite(clip.where("spectrogram"), frames)
        counts["no_audio"] += frames.shape[1] == 0
        padded, mask = pad_frames(frames, budget.audio_frames, self.audio_padding)
        return {"audio": padded[np.newaxis], "audio_mask": mask}


def _tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _flat(key: str, value: Any, videos: int, clips: int) -> Any:
    if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != videos:
        return value
    return value.flatten(0, 1) if key in _PER_CLIP else value.repeat_interleave(clips, 0)
