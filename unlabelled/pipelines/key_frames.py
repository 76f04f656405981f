"""Pipeline of a clip around a key frame, with boxes of persons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from unlabelled.data.media.reader import Reader
from unlabelled.pipelines.base import SamplePipeline, read_frames
from unlabelled.pipelines.clips import VIDEO_MEAN, VIDEO_STD
from unlabelled.pipelines.finish import finish_batch
from unlabelled.pipelines.images import Channels
from unlabelled.pipelines.spans import to_clip
from unlabelled.transforms.checks import (
    check_at_least,
    check_normalisation,
    check_positive,
    check_probability,
    check_range,
)

if TYPE_CHECKING:
    from unlabelled.batch import Batch


class KeyFrameClips(SamplePipeline):
    """T frames around a key frame at time t, and boxes; whole frames in evaluation.

    The frames are those at ``t - duration / 2 + k * duration / T``, with k from 0 to T - 1.

    Args:
        num_frames: T.
        duration: Seconds of a clip; 64 frames at 30 per second.
        crop: Height and width in training.
        train_short_side: Smallest and largest short side before cropping; its inverse is drawn uniformly.
        flip: Probability of a horizontal flip in training.
        eval_short_side: Short side in evaluation.
        mean: Mean of red, green and blue, from 0 to 1.
        std: Standard deviation of red, green and blue.

    Raises:
        ValueError: A number is out of its range, or the crop larger than the short side.

    Source: facebookresearch/SlowFast, slowfast/datasets/ava_dataset.py;
    docs/methods/sce.md#action-detection.
    """

    def __init__(
        self,
        num_frames: int = 8,
        duration: float = 64 / 30,
        crop: int = 224,
        train_short_side: tuple[int, int] = (256, 320),
        flip: float = 0.5,
        eval_short_side: int = 256,
        mean: Channels = VIDEO_MEAN,
        std: Channels = VIDEO_STD,
    ) -> None:
        check_at_least(self, 1, num_frames=num_frames, crop=crop, eval_short_side=eval_short_side)
        check_positive(self, duration=duration)
        check_range(self, train_short_side=train_short_side)
        check_at_least(self, crop, train_short_side=train_short_side[0])
        check_probability(self, flip=flip)
        check_normalisation(self, mean, std)
        self.num_frames, self.duration, self.crop, self.flip = num_frames, duration, crop, flip
        self.train_short_side, self.eval_short_side = train_short_side, eval_short_side
        self.mean, self.std = mean, std

    def load(
        self, reader: Reader, path: str, time: float, shares: Tensor, rng: np.random.Generator, train: bool
    ) -> tuple[Tensor, Tensor]:
        """Return a video ``(3, T, H, W)`` uint8 and the boxes in its pixels, cut at its edges.

        Args:
            reader: Decodes the file.
            path: The file.
            time: Second of the key frame in the file.
            shares: Boxes ``(n, 4)``: left, top, right and bottom as shares of width and height.
            rng: Source of all randomness of the sample.
            train: Scale, crop and flip at random; otherwise the whole frames.

        Raises:
            DecodeError: The file cannot be read.
        """
        low, high = self.train_short_side
        short_side = round(1 / rng.uniform(1 / high, 1 / low)) if train else self.eval_short_side
        frames = self._frames(reader, path, time, short_side)
        height, width = frames.shape[-2:]
        boxes = shares.float() * torch.tensor([width, height, width, height])
        if train:
            frames, boxes = self._crop(frames, boxes, rng)
            if rng.random() < self.flip:
                frames, boxes = frames.flip(-1), _flipped(boxes, frames.shape[-1])
        height, width = frames.shape[-2:]
        limits = torch.tensor([width, height, width, height], dtype=torch.float32)
        return to_clip(frames), boxes.clamp(min=0).minimum(limits)

    def _frames(self, reader: Reader, path: str, time: float, short_side: int) -> Tensor:
        """Return the frames, of a span that ends one native frame after the last, as readers expect."""
        step, native = self.duration / self.num_frames, 1 / max(reader.info(path).fps, 1.0)
        start, length = time - self.duration / 2, (self.num_frames - 1) * step + native
        return read_frames(reader, path, start, length, self.num_frames, short_side)

    def _crop(self, frames: Tensor, boxes: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        top, left = (int(rng.integers(0, side - self.crop, endpoint=True)) for side in frames.shape[-2:])
        window = frames[..., top : top + self.crop, left : left + self.crop]
        return window, boxes - torch.tensor([left, top, left, top])

    def finish(self, batch: Batch) -> Batch:
        """Normalise; the videos of a batch may differ in size."""
        videos = [
            finish_batch({"video": video[None]}, [], self.mean, self.std)["video"][0]
            for video in batch["video"]
        ]
        return {**batch, "video": videos}


def _flipped(boxes: Tensor, width: int) -> Tensor:
    left, top, right, bottom = boxes.unbind(1)
    return torch.stack([width - right, top, width - left, bottom], 1)
