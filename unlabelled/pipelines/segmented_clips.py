"""Pipeline of one frame of each part of a video, for classifiers of short actions."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from unlabelled.data.media.reader import Reader
from unlabelled.pipelines.base import read_frames
from unlabelled.pipelines.clips import VIDEO_MEAN, VIDEO_STD, VideoPipeline
from unlabelled.pipelines.finish import finish_batch
from unlabelled.pipelines.images import Channels
from unlabelled.pipelines.spans import to_clip
from unlabelled.transforms.checks import check_at_least, check_normalisation, check_probability, check_range
from unlabelled.transforms.clip_transforms import centre_crop, random_crop

if TYPE_CHECKING:
    from unlabelled.batch import Batch


class SegmentedClips(VideoPipeline):
    """One frame of each of T equal parts of the whole video, for classifiers.

    The frame of a part is random in training and the middle one in evaluation. All frames of the video are
    decoded, as most of them would have to be in any case: for videos of seconds, not of minutes.

    Args:
        num_frames: T.
        crop: Height and width in training.
        train_short_side: Smallest and largest short side before cropping; its inverse is drawn uniformly.
        flip: Probability of a horizontal flip in training.
        eval_short_side: Short side in evaluation.
        eval_crop: Height and width of the central crop in evaluation.
        mean: Mean of red, green and blue, from 0 to 1.
        std: Standard deviation of red, green and blue.

    Raises:
        ValueError: A number is out of its range, or a crop larger than its short side.

    Source: facebookresearch/SlowFast, slowfast/datasets/ssv2.py;
    docs/methods/sce.md#something-something-v2.
    """

    def __init__(
        self,
        num_frames: int = 8,
        crop: int = 224,
        train_short_side: tuple[int, int] = (256, 320),
        flip: float = 0.0,
        eval_short_side: int = 256,
        eval_crop: int = 256,
        mean: Channels = VIDEO_MEAN,
        std: Channels = VIDEO_STD,
    ) -> None:
        check_at_least(self, 1, num_frames=num_frames, crop=crop, eval_crop=eval_crop)
        check_range(self, train_short_side=train_short_side)
        check_at_least(self, crop, train_short_side=train_short_side[0])
        check_at_least(self, eval_crop, eval_short_side=eval_short_side)
        check_probability(self, flip=flip)
        check_normalisation(self, mean, std)
        self.num_frames, self.crop, self.train_short_side, self.flip = (
            num_frames,
            crop,
            train_short_side,
            flip,
        )
        self.eval_short_side, self.eval_crop, self.mean, self.std = eval_short_side, eval_crop, mean, std

    def load(
        self, reader: Reader, path: str, duration: float, rng: np.random.Generator, train: bool
    ) -> dict[str, Any]:
        """Return ``video (3, T, crop, crop)`` uint8."""
        if not train:
            frames = self._frames(reader, path, duration, self.eval_short_side, None)
            return {"video": to_clip(centre_crop(frames, self.eval_crop))}
        low, high = self.train_short_side
        short_side = round(1 / rng.uniform(1 / high, 1 / low))
        frames = random_crop(self._frames(reader, path, duration, short_side, rng), self.crop, rng)
        return {"video": to_clip(frames.flip(-1) if rng.random() < self.flip else frames)}

    def _frames(
        self, reader: Reader, path: str, duration: float, short_side: int, rng: np.random.Generator | None
    ) -> Tensor:
        count = max(1, round(duration * reader.info(path).fps))
        frames = read_frames(reader, path, 0.0, duration, count, short_side)
        return frames[segment_frames(count, self.num_frames, rng)]

    def finish(self, batch: Batch) -> Batch:
        """Normalise; see :meth:`SamplePipeline.finish`."""
        return finish_batch(batch, [], self.mean, self.std)


def segment_frames(count: int, segments: int, rng: np.random.Generator | None) -> list[int]:
    """Return the index of one frame of each of ``segments`` equal parts of a video.

    With N frames and T parts, part i is from ``round((N - 1) / T i)`` to ``round((N - 1) / T (i + 1))``, both
    included: neighbours share a frame, and a video of fewer than T + 1 frames gives some of them twice.

    Args:
        count: N.
        segments: T.
        rng: Draws the frame of each part; ``None``: the middle one.

    Example:
        >>> segment_frames(49, 8, None)
        [3, 9, 15, 21, 27, 33, 39, 45]
    """
    bounds = np.round((count - 1) / segments * np.arange(segments + 1)).astype(int)
    return [
        int((first + last) // 2 if rng is None else rng.integers(first, last, endpoint=True))
        for first, last in itertools.pairwise(bounds)
    ]
