"""The seconds of a file that a clip covers, and its frames as tensors ``(T, 3, H, W)`` uint8."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unlabelled.data.media.reader import Reader
from unlabelled.transforms.difference import kept_frames, rgb_difference


class Span(NamedTuple):
    """A part of a file, in seconds."""

    start: float
    length: float


def random_span(duration: float, length: float, rng: np.random.Generator) -> Span:
    """Return ``length`` seconds of a file of ``duration``, or all of it, each start equally likely."""
    return _cut(duration, length, rng.uniform(0, max(duration - length, 0.0)))


def even_spans(duration: float, length: float, count: int) -> list[Span]:
    """Return ``count`` clips from the beginning of the file to its end; one clip: the middle.

    Clip j starts at ``j max(D - L, 0) / (count - 1)``.

    Source: SCE appendix D.3; docs/methods/sce.md#thirty-crops.
    """
    slack = max(duration - length, 0.0)
    if count == 1:
        return [_cut(duration, length, slack / 2)]
    return [_cut(duration, length, j * slack / (count - 1)) for j in range(count)]


def _cut(duration: float, length: float, start: float) -> Span:
    """A clip ends with the file, unless the file does not know its own length."""
    return Span(start, min(length, duration) if duration > 0 else length)


def draw_short_side(bounds: tuple[int, int] | None, rng: np.random.Generator) -> int | None:
    """Return a short side between ``bounds``; ``None``: the file's own."""
    return None if bounds is None else round(rng.uniform(*bounds))


def read_frames(reader: Reader, path: str, span: Span, num_frames: int, short_side: int | None) -> Tensor:
    """Return ``num_frames`` evenly spread over the span.

    Raises:
        DecodeError: The file cannot be read.
    """
    return _to_frames(reader.frames(path, span.start, span.length, num_frames, short_side))


def read_difference(reader: Reader, path: str, span: Span, num_frames: int, short_side: int | None) -> Tensor:
    """Return what moves in the frames of :func:`read_frames`; see :func:`rgb_difference`.

    Every native frame of the span is read, in one go: a decoder has to pass them all anyway.

    Raises:
        DecodeError: The file cannot be read.
    """
    fps = reader.info(path).fps
    native = max(1, round(span.length * fps))
    seconds = native / fps if native > 1 else span.length  # steps of exactly one native frame
    frames = _to_frames(reader.frames(path, span.start, seconds, native, short_side))
    return rgb_difference(frames, kept_frames(native, num_frames))


def _to_frames(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)


def to_clip(frames: Tensor) -> Tensor:
    """Return frames ``(T, 3, H, W)`` as a clip ``(3, T, H, W)``."""
    return frames.transpose(0, 1).contiguous()
