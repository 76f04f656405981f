"""Pipeline of several views of a video, for contrastive methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from unlabelled.data.media.reader import Reader
from unlabelled.pipelines.base import ClipPipeline, read_frames
from unlabelled.pipelines.finish import finish_batch, finish_sample
from unlabelled.pipelines.fixed import FixedClips
from unlabelled.pipelines.images import AugmentationDevice, Channels
from unlabelled.pipelines.spans import (
    Span,
    draw_short_side,
    random_span,
    read_difference,
    to_clip,
)
from unlabelled.transforms.augmentation import Augmentation
from unlabelled.transforms.checks import check_normalisation, check_num_views, check_probability, check_range
from unlabelled.transforms.crops import Crop

if TYPE_CHECKING:
    from unlabelled.batch import Batch

VIDEO_MEAN, VIDEO_STD = (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)


class VideoPipeline(ClipPipeline):
    """Common part of pipelines of video without audio: any length of file, deterministic evaluation."""

    seconds = 0.0
    needs_video = True
    needs_audio = False


@dataclass(frozen=True)
class AugmentedClip:
    """One view of a clip: its crop, its augmentation, and the probability of a difference of frames.

    Args:
        crop: Cuts the same crop of all frames.
        augmentation: Applied with the same parameters to all frames.
        difference: Probability of the difference of frames in place of the frames; see
            :func:`~unlabelled.transforms.difference.rgb_difference`.

    Raises:
        ValueError: ``difference`` is no probability.
    """

    crop: Crop
    augmentation: Augmentation
    difference: float = 0.0

    def __post_init__(self) -> None:
        check_probability(self, difference=self.difference)


class ContrastiveClips(VideoPipeline):
    """Several random clips of each video, one per view, for contrastive methods.

    A video that is shorter than a clip is used as a whole, with repeated frames if there are too few.

    Args:
        views: The views; the first is the input of the target network. Sizes may differ.
        num_frames: T, evenly spread over the clip.
        duration: Seconds of a clip.
        same_clip: Whether all views cover the same seconds; otherwise each view has a random start.
        duration_jitter: f: the duration of a clip is ``duration`` times a factor from 1 - f to 1 + f.
        reverse: Probability of a clip played backwards, per view.
        train_short_side: Smallest and largest short side before cropping, drawn per view; ``null``: that of
            the file.
        eval_short_side: Short side in evaluation.
        eval_crop: Height and width in evaluation.
        eval_clips: Clips per video in evaluation, from its beginning to its end; 1: its middle.
        eval_crops: Square crops per clip along its longer side, 1 or 3. If there are several of either,
            ``video`` has a dimension V of ``eval_clips * eval_crops`` before the channels, crops of a clip
            contiguous.
        mean: Mean of red, green and blue, from 0 to 1.
        std: Standard deviation of red, green and blue.
        augment: See :class:`~unlabelled.pipelines.images.ContrastiveImages`.

    Raises:
        ValueError: Fewer than two views, a number out of its range, or a crop larger than its short side.

    Source: SCE section 4.2.1, Tables 15 to 17 and appendix D.3; docs/methods/sce.md#augmentations.
    """

    def __init__(
        self,
        views: list[AugmentedClip],
        num_frames: int = 8,
        duration: float = 2.56,
        same_clip: bool = False,
        duration_jitter: float = 0.0,
        reverse: float = 0.0,
        train_short_side: tuple[int, int] | None = (256, 320),
        eval_short_side: int = 256,
        eval_crop: int = 224,
        eval_clips: int = 1,
        eval_crops: int = 1,
        mean: Channels = VIDEO_MEAN,
        std: Channels = VIDEO_STD,
        augment: AugmentationDevice = "batched",
    ) -> None:
        check_num_views(self, "views", len(views))
        check_probability(self, reverse=reverse)
        check_normalisation(self, mean, std)
        if train_short_side is not None:
            check_range(self, train_short_side=train_short_side)
        if not 0 <= duration_jitter < 1:
            raise ValueError(
                f"ContrastiveClips: duration_jitter={duration_jitter} must be from 0 to 1, 1 not included"
            )
        self.views, self.num_frames, self.duration, self.same_clip = views, num_frames, duration, same_clip
        self.duration_jitter, self.reverse, self.train_short_side = duration_jitter, reverse, train_short_side
        self.mean, self.std, self.augment = mean, std, augment
        evaluation = eval_short_side, eval_crop, eval_clips, eval_crops
        self.fixed = FixedClips(type(self).__name__, num_frames, duration, *evaluation)

    def load(
        self, reader: Reader, path: str, duration: float, rng: np.random.Generator, train: bool
    ) -> dict[str, Any]:
        """Return ``views``, uint8, and their ``augmentations``; in evaluation ``video``, uint8.

        With ``augment="workers"`` they are augmented and normalised, float32, without ``augmentations``.
        """
        if train:
            spans = self._spans(duration, rng)
            sample: dict[str, Any] = {
                "views": [
                    self._clip(view, reader, path, span, rng)
                    for view, span in zip(self.views, spans, strict=True)
                ],
                "augmentations": [view.augmentation.draw(rng) for view in self.views],
            }
        else:
            sample = {"video": self.fixed.load(reader, path, duration)}
        return finish_sample(self, sample) if self.augment == "workers" else sample

    def finish(self, batch: Batch) -> Batch:
        """Augment and normalise; see :meth:`SamplePipeline.finish`."""
        return finish_batch(batch, [view.augmentation for view in self.views], self.mean, self.std)

    def _spans(self, duration: float, rng: np.random.Generator) -> list[Span]:
        if self.same_clip:
            return [self._span(duration, rng)] * len(self.views)
        return [self._span(duration, rng) for _ in self.views]

    def _span(self, duration: float, rng: np.random.Generator) -> Span:
        factor = rng.uniform(1 - self.duration_jitter, 1 + self.duration_jitter)
        return random_span(duration, self.duration * factor, rng)

    def _clip(
        self, view: AugmentedClip, reader: Reader, path: str, span: Span, rng: np.random.Generator
    ) -> Tensor:
        short_side = draw_short_side(self.train_short_side, rng)
        read = read_difference if rng.random() < view.difference else read_frames
        frames = view.crop(read(reader, path, *span, self.num_frames, short_side), rng)
        return to_clip(frames.flip(0) if rng.random() < self.reverse else frames)
