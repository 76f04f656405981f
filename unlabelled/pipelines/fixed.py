"""Deterministic inputs of evaluation: one crop of an image or clip, or several to average over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from unlabelled.data.media.reader import Reader
from unlabelled.pipelines.base import read_frames
from unlabelled.pipelines.spans import even_spans, to_clip
from unlabelled.transforms.checks import check_at_least, check_positive
from unlabelled.transforms.clip_transforms import centre_crop

Interpolation = Literal["bilinear", "bicubic"]


@dataclass(frozen=True)
class FixedImage:
    """Cut the central crop of an image.

    Args:
        owner: Name of the class with these settings, for messages.
        size: Height and width of the result.
        resize: Short side before the central crop; ``None``: the whole image is scaled to ``size`` x
            ``size``, which may change its aspect ratio.

    Raises:
        ValueError: ``size`` is below 1, or ``resize`` below ``size``.
    """

    owner: str
    size: int
    resize: int | None
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        check_at_least(self.owner, 1, eval_size=self.size)
        if self.resize is not None and self.resize < self.size:
            raise ValueError(
                f"{self.owner}: eval_resize={self.resize} must be null or at least eval_size={self.size}"
            )

    def __call__(self, image: Tensor) -> Tensor:
        """Return ``(3, size, size)`` uint8 of ``image (3, H, W)`` uint8."""
        side = [self.size, self.size] if self.resize is None else [self.resize]
        mode = TF.InterpolationMode(self.interpolation)
        middle: Tensor = TF.center_crop(TF.resize(image, side, mode, antialias=True), [self.size])
        return middle


@dataclass(frozen=True)
class FixedClips:
    """Cut clips spread over a file, and square crops spread over the longer side of each clip.

    Args:
        owner: Name of the class with these settings, for messages.
        num_frames: T of each clip.
        duration: Seconds of each clip.
        short_side: Short side after scaling.
        crop: Height and width of each square crop.
        clips: Number of clips; 1: the middle of the file.
        crops: Number of crops per clip, 1 or 3; 1: the central one.

    Raises:
        ValueError: ``crop`` exceeds ``short_side``, ``crops`` is neither 1 nor 3, a number is not positive.

    Source: SCE appendix D.3 (10 clips, 3 crops); docs/methods/sce.md#thirty-crops.
    """

    owner: str
    num_frames: int
    duration: float
    short_side: int
    crop: int
    clips: int
    crops: int

    def __post_init__(self) -> None:
        check_at_least(self.owner, 1, num_frames=self.num_frames, eval_crop=self.crop, eval_clips=self.clips)
        check_positive(self.owner, duration=self.duration)
        if self.crops not in (1, 3):
            raise ValueError(f"{self.owner}: eval_crops={self.crops} must be 1 or 3")
        if self.short_side < self.crop:
            raise ValueError(
                f"{self.owner}: eval_short_side={self.short_side} must be at least eval_crop={self.crop}"
            )

    def load(self, reader: Reader, path: str, duration: float) -> Tensor:
        """Return ``(3, T, crop, crop)`` uint8; or ``(clips * crops, ...)``, crops of a clip contiguous.

        Raises:
            DecodeError: The file cannot be read.
        """
        crops = [
            to_clip(square)
            for span in even_spans(duration, self.duration, self.clips)
            for square in self._squares(read_frames(reader, path, *span, self.num_frames, self.short_side))
        ]
        return crops[0] if len(crops) == 1 else torch.stack(crops)

    def _squares(self, frames: Tensor) -> list[Tensor]:
        if self.crops == 1:
            return [centre_crop(frames, self.crop)]
        height, width = frames.shape[-2:]
        slack = max(height, width) - self.crop
        offset_across = -(-(min(height, width) - self.crop) // 2)  # rounded up, as the released code does
        along = (0, -(-slack // 2), slack)
        corners = [(offset, offset_across) if height > width else (offset_across, offset) for offset in along]
        return [TF.crop(frames, top, left, self.crop, self.crop) for top, left in corners]
