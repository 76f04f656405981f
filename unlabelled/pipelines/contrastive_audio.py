"""Pipeline of several random sub-clips of a recording, for contrastive methods."""

from __future__ import annotations

from typing import Any

import numpy as np

from unlabelled.data.media.reader import Reader
from unlabelled.pipelines.audio import AudioPipeline
from unlabelled.transforms.checks import check_at_least
from unlabelled.transforms.masking import SpectrogramMasks
from unlabelled.transforms.spectrogram import Spectrogram


class ContrastiveAudio(AudioPipeline):
    """Several random sub-clips of a recording in training; in evaluation as :class:`AudioPipeline`.

    Args:
        num_views: Sub-clips in training, each with its own random start, volume and masks.
        audio: See :class:`~unlabelled.pipelines.audio.AudioPipeline`.
        clip_seconds: See :class:`~unlabelled.pipelines.audio.AudioPipeline`.
        eval_clips: See :class:`~unlabelled.pipelines.audio.AudioPipeline`.
        volume: See :class:`~unlabelled.pipelines.audio.AudioPipeline`.
        masks: Masks of the spectrograms in training; ``null``: none.

    Raises:
        ValueError: A number is out of its range, or there are fewer than two views.
    """

    def __init__(
        self,
        num_views: int = 2,
        audio: Spectrogram | None = None,
        clip_seconds: float | None = None,
        eval_clips: int = 1,
        volume: tuple[float, float] = (0.9, 1.1),
        masks: SpectrogramMasks | None = None,
    ) -> None:
        super().__init__(audio, clip_seconds, eval_clips, volume)
        check_at_least(self, 2, num_views=num_views)
        self.num_views, self.masks = num_views, masks

    def load(
        self, reader: Reader, path: str, duration: float, rng: np.random.Generator, train: bool
    ) -> dict[str, Any]:
        """Return ``views``, each ``(1, F, T)`` float32; in evaluation ``audio``."""
        if not train:
            return super().load(reader, path, duration, rng, train)
        views = [self._training(reader, path, duration, rng) for _ in range(self.num_views)]
        return {"views": views if self.masks is None else [self.masks(view, rng) for view in views]}
