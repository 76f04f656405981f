"""The parts of a clip of pre-extracted features, the lengths of its tensors, and the names of its counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from unlabelled.data.features.tokens import Rows
from unlabelled.transforms.checks import check_at_least, check_positive

AUDIO_BANDS = 40
COUNTS = ("no_caption", "empty_caption", "no_known_word", "unknown_words", "no_video", "no_audio")
"""Columns of ``counts (B, 6)`` int64, per clip: it has no text; its text has no word; none of its words has a
vector; number of words without a vector; it has no row of video features; it has no frame of audio."""


class Stream:
    """One kind of visual features.

    Not a dataclass: jsonargparse cannot keep one if a later configuration sets another data module.

    Args:
        dim: Width of a row.
        fps: Rows per second.
    """

    def __init__(self, dim: int = 2048, fps: float = 1.0) -> None:
        check_at_least("Stream", 1, dim=dim)
        check_positive("Stream", fps=fps)
        self.dim, self.fps = dim, fps


RESNET_2D, RESNEXT_3D = Stream(2048, 1.0), Stream(2048, 1.5)


@dataclass(frozen=True)
class Budget:
    """Lengths of the tensors of a clip.

    Attributes:
        video_tokens: T, tokens of video features.
        audio_frames: F, frames of the spectrogram.
        max_words: W, words of the text.
    """

    video_tokens: int = 12
    audio_frames: int = 768
    max_words: int = 20

    def __post_init__(self) -> None:
        sizes = {"video_tokens": self.video_tokens, "max_words": self.max_words}
        check_at_least("Budget", 1, **sizes, audio_frames=self.audio_frames)


@dataclass(frozen=True)
class RawClip:
    """The parts of a clip, from which a pipeline makes tensors.

    Attributes:
        name: Name for messages.
        texts: Captions, whose words are concatenated.
        rows_2d: 2D features of the whole video ``(n, dim)``; None: absent.
        rows_3d: 3D features of the whole video ``(n, dim)``; None: absent.
        spectrogram: Spectrogram of the whole video ``(40, frames)``, in decibels; None: no audio.
        start: First second of the video (and the audio).
        end: Last second; infinite: the end of the video.
        audio_span: First and last second of the audio, if they differ from those of the video.
        sources: Names for messages, such as file and key, by ``rows_2d``, ``rows_3d`` and ``spectrogram``.
    """

    name: str
    texts: Sequence[str] = ()
    rows_2d: Rows | None = None
    rows_3d: Rows | None = None
    spectrogram: Rows | None = None
    start: float = 0.0
    end: float = math.inf
    audio_span: tuple[float, float] | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def where(self, part: str) -> str:
        """Return the name of a part for messages."""
        return self.sources.get(part, f"{self.name}, {part}")
