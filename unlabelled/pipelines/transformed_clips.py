"""Pipeline of temporally shifted and reversed clips with their audio, as in GDT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from unlabelled.data.media.reader import Reader
from unlabelled.pipelines.base import ClipPipeline, read_frames, read_waveform
from unlabelled.pipelines.clips import VIDEO_MEAN, VIDEO_STD
from unlabelled.pipelines.finish import finish_batch
from unlabelled.pipelines.images import Channels
from unlabelled.pipelines.spans import draw_short_side, to_clip
from unlabelled.transforms.augmentation import Augmentation
from unlabelled.transforms.checks import (
    check_at_least,
    check_min_seconds,
    check_normalisation,
    check_positive,
    check_range,
)
from unlabelled.transforms.clip_transforms import centre_crop, random_crop
from unlabelled.transforms.log_mel import LogMel
from unlabelled.transforms.masking import SpectrogramMasks
from unlabelled.transforms.spectrogram import Spectrogram

if TYPE_CHECKING:
    from unlabelled.batch import Batch


class TransformedClips(ClipPipeline):
    """Several clips of each video with their audio (time shifts), each also backwards (reversal).

    Training returns ``views[shift][direction]``, each with ``video`` and ``audio``. Reversed
    audio is the spectrogram with its time axis flipped, so that both directions share its volume and its
    masks; short side, crop and augmentation of the frames are drawn per view. In evaluation there is one
    clip, the middle of the file. If video and audio have different durations, both start at the same time.

    Args:
        num_frames: T, evenly spread over ``num_frames / fps`` seconds and chosen by timestamp.
        fps: Frames per second of a clip, independent of the frame rate of the file.
        crop: Height and width of a clip.
        train_short_side: Smallest and largest short side before the random crop.
        eval_short_side: Short side before the central crop of evaluation.
        shifts: S, number of clips per video, each with a random start.
        reversal: Whether to add each clip played backwards.
        augmentation: Colours and flip in training, equal in all frames of a clip; ``null``: none.
        audio: The spectrogram; ``null``: GDT's, 40x99 of one second.
        volume: Smallest and largest factor on the waveform in training, drawn per shift.
        masks: Masks of the spectrogram in training, drawn per shift; ``null``: none.
        min_seconds: Smallest duration of a usable file; one that is shorter than a clip is read as a whole,
            with frames that are closer together, and silence after its audio. ``null``: that of a clip.
        mean: Mean of red, green and blue, from 0 to 1.
        std: Standard deviation of red, green and blue.

    Raises:
        ValueError: A number is out of its range, or a short side below ``crop``.

    Source: facebookresearch/GDT, datasets/GDTPretrainDataset.py; docs/methods/selavi.md#gdt.
    """

    needs_video = True
    needs_audio = True

    def __init__(
        self,
        num_frames: int = 30,
        fps: float = 30.0,
        crop: int = 112,
        train_short_side: tuple[int, int] = (128, 160),
        eval_short_side: int = 128,
        shifts: int = 2,
        reversal: bool = True,
        augmentation: Augmentation | None = None,
        audio: Spectrogram | None = None,
        volume: tuple[float, float] = (0.9, 1.1),
        masks: SpectrogramMasks | None = None,
        min_seconds: float | None = None,
        mean: Channels = VIDEO_MEAN,
        std: Channels = VIDEO_STD,
    ) -> None:
        check_at_least(self, 1, num_frames=num_frames, crop=crop, shifts=shifts)
        check_positive(self, fps=fps)
        check_range(self, train_short_side=train_short_side, volume=volume)
        check_normalisation(self, mean, std)
        if min(*train_short_side, eval_short_side) < crop:
            raise ValueError(
                f"TransformedClips: train_short_side={list(train_short_side)} and eval_short_side="
                f"{eval_short_side} must be at least crop={crop}"
            )
        self.num_frames, self.length, self.crop = num_frames, num_frames / fps, crop
        self.train_short_side, self.eval_short_side = train_short_side, eval_short_side
        self.shifts, self.directions = shifts, 2 if reversal else 1
        self.augmentation, self.volume, self.masks = augmentation, volume, masks
        self.audio: Spectrogram = (
            audio if audio is not None else LogMel(num_filters=40, num_frames=99, mean=1.93, std=17.89)
        )
        self.mean, self.std = mean, std
        self.min_seconds = check_min_seconds(self, min_seconds, self.span)

    @property
    def span(self) -> float:
        """Duration of the longer one of video and audio."""
        return max(self.length, self.audio.seconds)

    @property
    def seconds(self) -> float:
        """Smallest duration of a usable file: ``min_seconds``."""
        return self.min_seconds

    def load(
        self, reader: Reader, path: str, duration: float, rng: np.random.Generator, train: bool
    ) -> dict[str, Any]:
        """Return ``views``, S lists of the directions; in evaluation ``video`` and ``audio``.

        ``video (3, T, crop, crop)`` is uint8, ``audio (1, F, frames)`` float32; with an augmentation, each
        view has ``augmentations``.
        """
        if train:
            return {"views": [self._shifted(reader, path, duration, rng) for _ in range(self.shifts)]}
        start = self._slack(duration) / 2
        frames = self._frames(reader, path, start, duration, self.eval_short_side)
        audio = self.audio(self._waveform(reader, path, start))
        return {"video": to_clip(centre_crop(frames, self.crop)), "audio": audio}

    def finish(self, batch: Batch) -> Batch:
        """Augment and normalise the frames; see :meth:`SamplePipeline.finish`."""
        if "views" not in batch:
            return self._finish(batch)
        return {**batch, "views": [[self._finish(view) for view in shift] for shift in batch["views"]]}

    def _finish(self, batch: Batch) -> Batch:
        augmentations = [] if self.augmentation is None else [self.augmentation]
        return finish_batch(batch, augmentations, self.mean, self.std)

    def _shifted(
        self, reader: Reader, path: str, duration: float, rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """Return one clip in all directions."""
        start = rng.uniform(0, self._slack(duration))
        frames = self._frames(reader, path, start, duration, self.train_short_side[1])
        audio = self.audio(self._waveform(reader, path, start) * rng.uniform(*self.volume))
        if self.masks is not None:
            audio = self.masks(audio, rng)
        return [
            self._view(frames.flip(0) if backwards else frames, audio.flip(-1) if backwards else audio, rng)
            for backwards in range(self.directions)
        ]

    def _view(self, frames: Tensor, audio: Tensor, rng: np.random.Generator) -> dict[str, Any]:
        side = draw_short_side(self.train_short_side, rng)
        if side != self.train_short_side[1]:
            frames = TF.resize(frames, [side], antialias=True)
        view: dict[str, Any] = {"video": to_clip(random_crop(frames, self.crop, rng)), "audio": audio}
        if self.augmentation is not None:
            view["augmentations"] = [self.augmentation.draw(rng)]
        return view

    def _slack(self, duration: float) -> float:
        return max(duration - self.span, 0.0)

    def _frames(self, reader: Reader, path: str, start: float, duration: float, short_side: int) -> Tensor:
        return read_frames(reader, path, start, min(self.length, duration), self.num_frames, short_side)

    def _waveform(self, reader: Reader, path: str, start: float) -> Tensor:
        return read_waveform(reader, path, start, self.audio.seconds, self.audio.sample_rate)
