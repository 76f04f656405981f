"""Pipeline of clips whose frames are evaluated without a crop, so that positions do not change."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlabelled.data.media.reader import Reader
from unlabelled.pipelines.audio_visual import AudioVisualPipeline
from unlabelled.pipelines.base import read_frames
from unlabelled.transforms.clip_transforms import normalise


class UncroppedClips(AudioVisualPipeline):
    """A clip and its audio; in evaluation whole frames, scaled to a short side of ``eval_short_side``.

    Training and arguments are those of :class:`~unlabelled.pipelines.audio_visual.AudioVisualPipeline`. For
    convolutional encoders, which take any size, and for videos of equal shape, which a batch requires.
    """

    def load(
        self, reader: Reader, path: str, duration: float, rng: np.random.Generator, train: bool
    ) -> dict[str, Any]:
        """Return ``video (3, T, H, W)`` and ``audio (1, F, frames)`` float32, and ``silent ()`` bool.

        In evaluation also ``frame_second ()`` float64, the middle of the clip in seconds of the file.
        """
        sample: dict[str, Any] = {**super().load(reader, path, duration, rng, train)}
        if not train:
            middle = max(duration - self.span, 0.0) / 2 + min(self.num_frames / self.fps, duration) / 2
            sample["frame_second"] = torch.tensor(middle, dtype=torch.float64)
        return sample

    def _video(
        self, reader: Reader, path: str, start: float, length: float, rng: np.random.Generator, train: bool
    ) -> Tensor:
        if train:
            return super()._video(reader, path, start, length, rng, train)
        frames = read_frames(reader, path, start, length, self.num_frames, self.eval_short_side)
        return normalise(frames, self.mean, self.std)
