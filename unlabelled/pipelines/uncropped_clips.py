"""Clips whose frames are evaluated as a whole, so that places in them stay what they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlabelled.data.media.reader import Reader
from unlabelled.pipelines.audio_visual import AudioVisualPipeline
from unlabelled.transforms.clip_transforms import normalise


class UncroppedClips(AudioVisualPipeline):
    """A clip and its sound; evaluation sees the frames as a whole, ``eval_short_side`` wide or high.

    Training as in :class:`~unlabelled.pipelines.audio_visual.AudioVisualPipeline`, whose arguments these are. It
    suits convolutional encoders, which take any size, and files of one shape: batches have one.
    """

    def load(
        self, reader: Reader, path: str, duration: float, rng: np.random.Generator, train: bool
    ) -> dict[str, Any]:
        """Return ``video (3, T, H, W)`` and ``audio (1, F, frames)``, both float32.

        In evaluation also ``frame_second ()`` float64, the middle of the clip in seconds of the file.
        """
        sample: dict[str, Any] = {**super().load(reader, path, duration, rng, train)}
        if not train:
            middle = max(duration - self.seconds, 0.0) / 2 + self.num_frames / self.fps / 2
            sample["frame_second"] = torch.tensor(middle, dtype=torch.float64)
        return sample

    def _video(
        self, reader: Reader, path: str, start: float, rng: np.random.Generator, train: bool
    ) -> Tensor:
        if train:
            return super()._video(reader, path, start, rng, train)
        length = self.num_frames / self.fps
        pixels = reader.frames(path, start, length, self.num_frames, self.eval_short_side)
        return normalise(torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2))
