"""Pipeline of one random clip of each video, for classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from unlabelled.data.media.reader import Reader
from unlabelled.pipelines.base import read_frames
from unlabelled.pipelines.clips import VIDEO_MEAN, VIDEO_STD, VideoPipeline
from unlabelled.pipelines.finish import finish_batch
from unlabelled.pipelines.fixed import FixedClips
from unlabelled.pipelines.images import Channels
from unlabelled.pipelines.spans import draw_short_side, random_span, to_clip
from unlabelled.transforms.augmentation import Augmentation
from unlabelled.transforms.checks import check_normalisation, check_probability, check_range
from unlabelled.transforms.clip_transforms import random_crop

if TYPE_CHECKING:
    from unlabelled.batch import Batch


class LabelledClips(VideoPipeline):
    """One random clip of each video, randomly cropped and flipped, for classifiers.

    Args:
        num_frames: T, evenly spread over the clip.
        duration: Seconds of a clip; shorter videos are used as a whole.
        crop: Height and width in training.
        train_short_side: Smallest and largest short side before cropping, drawn per clip.
        flip: Probability of a horizontal flip in training.
        augmentation: Further augmentation in training, as in fine-tuning; its own flip adds to ``flip``.
        eval_short_side: Short side in evaluation; see :class:`~unlabelled.pipelines.clips.ContrastiveClips`.
        eval_crop: Height and width in evaluation.
        eval_clips: Clips per video in evaluation.
        eval_crops: Square crops per clip in evaluation.
        mean: Mean of red, green and blue, from 0 to 1.
        std: Standard deviation of red, green and blue.

    Raises:
        ValueError: A number is out of its range, or a crop larger than its short side.

    Source: SCE appendix D.3; docs/methods/sce.md#linear-evaluation-on-video, #fine-tuning.
    """

    def __init__(
        self,
        num_frames: int = 8,
        duration: float = 2.56,
        crop: int = 224,
        train_short_side: tuple[int, int] = (256, 320),
        flip: float = 0.5,
        augmentation: Augmentation | None = None,
        eval_short_side: int = 256,
        eval_crop: int = 224,
        eval_clips: int = 1,
        eval_crops: int = 1,
        mean: Channels = VIDEO_MEAN,
        std: Channels = VIDEO_STD,
    ) -> None:
        check_range(self, train_short_side=train_short_side)
        check_probability(self, flip=flip)
        check_normalisation(self, mean, std)
        if not 1 <= crop <= train_short_side[0]:
            raise ValueError(
                f"LabelledClips: crop={crop} must be at least 1 and at most the smallest of "
                f"train_short_side={list(train_short_side)}"
            )
        self.num_frames, self.duration, self.crop = num_frames, duration, crop
        self.train_short_side, self.flip, self.augmentation = train_short_side, flip, augmentation
        self.mean, self.std = mean, std
        evaluation = eval_short_side, eval_crop, eval_clips, eval_crops
        self.fixed = FixedClips(type(self).__name__, num_frames, duration, *evaluation)

    def load(
        self, reader: Reader, path: str, duration: float, rng: np.random.Generator, train: bool
    ) -> dict[str, Any]:
        """Return ``video (3, T, crop, crop)`` uint8, and ``augmentations`` if an augmentation is set."""
        if not train:
            return {"video": self.fixed.load(reader, path, duration)}
        span = random_span(duration, self.duration, rng)
        short_side = draw_short_side(self.train_short_side, rng)
        frames = random_crop(read_frames(reader, path, *span, self.num_frames, short_side), self.crop, rng)
        sample: dict[str, Any] = {"video": to_clip(frames.flip(-1) if rng.random() < self.flip else frames)}
        if self.augmentation is not None:
            sample["augmentations"] = [self.augmentation.draw(rng)]
        return sample

    def finish(self, batch: Batch) -> Batch:
        """Augment and normalise; see :meth:`SamplePipeline.finish`."""
        augmentations = [] if self.augmentation is None else [self.augmentation]
        return finish_batch(batch, augmentations, self.mean, self.std)
