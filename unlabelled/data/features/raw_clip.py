"""What is known of a clip before it becomes tensors, how long those are, and what is counted on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from unlabelled.data.features.tokens import Rows
from unlabelled.transforms.checks import check_at_least, check_positive

AUDIO_BANDS = 40
COUNTS = ("no_caption", "empty_caption", "no_known_word", "unknown_words", "no_video", "no_audio")
"""What ``counts (B, 6)`` int64 counts of each clip: no text belongs to it; its text has no word; none of its
words has a vector; words without a vector; no row of features lies in it (it is beyond their end, or they
have none); no frame of sound does."""


class Stream:
    """One kind of visual features.

    No dataclass: jsonargparse cannot carry one over where a later configuration names another data module.

    Args:
        dim: Width of a row.
        fps: Rows a second.
    """

    def __init__(self, dim: int = 2048, fps: float = 1.0) -> None:
        check_at_least("Stream", 1, dim=dim)
        check_positive("Stream", fps=fps)
        self.dim, self.fps = dim, fps


RESNET_2D, RESNEXT_3D = Stream(2048, 1.0), Stream(2048, 1.5)


@dataclass(frozen=True)
class Budget:
    """How long the tensors of a clip are.

    Attributes:
        video_tokens: T.
        audio_frames: F.
        max_words: W.
    """

    video_tokens: int = 12
    audio_frames: int = 768
    max_words: int = 20

    def __post_init__(self) -> None:
        sizes = {"video_tokens": self.video_tokens, "max_words": self.max_words}
        check_at_least("Budget", 1, **sizes, audio_frames=self.audio_frames)


@dataclass(frozen=True)
class RawClip:
    """What is known of a clip before it becomes tensors.

    Attributes:
        name: What it is called in messages.
        texts: Its captions, whose words follow one another.
        rows_2d: Features of the whole video ``(n, dim)``; None: it has none.
        rows_3d: Likewise.
        spectrogram: Of the whole video ``(40, frames)``, in decibels; None: it has no sound.
        start: First second of pictures (and sound).
        end: Last second; infinite: to the end.
        audio_span: First and last second of the sound, where they are not those of the pictures.
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
