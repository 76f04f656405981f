"""Base classes of sample pipelines, and reading of frames and waveforms as tensors."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from unlabelled.data.media.reader import NO_AUDIO, DecodeError, Reader

if TYPE_CHECKING:
    from unlabelled.batch import Batch

_log = logging.getLogger(__name__)


class SamplePipeline(ABC):  # noqa: B024 -- subclasses load different inputs
    """Makes the tensors of samples in a worker, and completes batches of them on the training device.

    One object is used in training and evaluation, so that sizes and sample rates agree. A method that needs
    other tensors uses another class; the data modules do not change.
    """

    def finish(self, batch: Batch) -> Batch:
        """Return the batch after the steps that are faster on whole batches.

        The result depends on the batch alone: uint8 pixels become normalised float32, and ``views`` are
        augmented with the parameters under ``augmentations``. The default, for pipelines whose samples are
        complete when they leave the worker, returns the batch itself.
        """
        return batch

    def pixels(self, images: Tensor) -> Tensor:
        """Return normalised images ``(B, 3, H, W)`` as uint8, for figures.

        The default, for an unknown normalisation, scales each image from its minimum to its maximum.

        Example:
            >>> class Identity(SamplePipeline):
            ...     pass
            >>> images = torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1)
            >>> Identity().pixels(images).flatten().tolist()
            [0, 128, 255]
        """
        flat = images.flatten(1)
        low, high = (bound[:, None, None, None] for bound in (flat.amin(1), flat.amax(1)))
        return ((images - low) / (high - low).clamp(min=1e-6)).mul(255).round().to(torch.uint8)


class ClipPipeline(SamplePipeline):
    """Chooses a span of a media file, reads it and makes tensors of it.

    Attributes:
        allow_missing_audio: Whether files without an audio track are read with silent audio.
        marks_silence: Whether methods recognise silent audio by ``silent`` in the samples, and learn from the
            video of these alone.
    """

    allow_missing_audio: bool = False
    marks_silence: ClassVar[bool] = False

    @property
    @abstractmethod
    def seconds(self) -> float:
        """Smallest duration of a usable file, in seconds."""

    @property
    @abstractmethod
    def needs_video(self) -> bool:
        """True if files without video are unusable."""

    @property
    @abstractmethod
    def needs_audio(self) -> bool:
        """True if files without audio are unusable."""

    @abstractmethod
    def load(
        self, reader: Reader, path: str, duration: float, rng: np.random.Generator, train: bool
    ) -> dict[str, Any]:
        """Return the tensors of one sample.

        Args:
            reader: Decodes the file.
            path: The file.
            duration: Its duration in seconds.
            rng: Source of all randomness of the sample.
            train: Augment at random; otherwise the deterministic tensors of evaluation.

        Raises:
            DecodeError: The file cannot be read.
        """


def keep_missing_audio(pipeline: object) -> None:
    """Let a pipeline read files without an audio track as silent, if methods can leave out that modality.

    These are the pipelines with the option ``allow_missing_audio`` whose samples have the mark ``silent``.
    """
    if getattr(pipeline, "marks_silence", False):
        pipeline.allow_missing_audio = True  # type: ignore[attr-defined]


class ImagePipeline(SamplePipeline):
    """Makes tensors of a decoded image."""

    @abstractmethod
    def load(self, image: Tensor, rng: np.random.Generator, train: bool) -> dict[str, Any]:
        """Return the tensors of one sample.

        Args:
            image: ``(3, H, W)`` uint8.
            rng: Source of all randomness of the sample.
            train: Augment at random; otherwise the deterministic tensors of evaluation.
        """


def read_frames(
    reader: Reader, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
) -> Tensor:
    """Return evenly spread frames of a span ``(T, 3, H, W)`` uint8; see :meth:`Reader.frames`.

    Raises:
        DecodeError: The file cannot be read.
    """
    pixels = reader.frames(path, start, duration, num_frames, short_side)
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)


def read_waveform(reader: Reader, path: str, start: float, duration: float, sample_rate: int) -> Tensor:
    """Return the mono waveform of a span ``(samples,)`` float64; see :meth:`Reader.waveform`.

    Raises:
        DecodeError: The file cannot be read, or a sample of the span is not finite.
    """
    waveform = np.array(reader.waveform(path, start, duration, sample_rate), dtype=np.float64)
    if not np.isfinite(waveform).all():
        raise DecodeError(path, f"its audio has values that are not finite after {start:.2f} s")
    return torch.from_numpy(waveform)


def read_waveform_or_silence(
    reader: Reader, path: str, start: float, duration: float, sample_rate: int
) -> Tensor:
    """Return :func:`read_waveform`; zeros for a file without an audio track, or with one that is damaged.

    A damaged track is logged.
    """
    try:
        return read_waveform(reader, path, start, duration, sample_rate)
    except DecodeError as error:
        if error.reason != NO_AUDIO:
            _log.warning("read with silent audio: %s", error)
        return torch.zeros(round(duration * sample_rate), dtype=torch.float64)


def is_silent(waveform: Tensor, silence: float) -> Tensor:
    """Return ``()`` bool: whether the root mean square of a waveform is below ``silence``, or is NaN."""
    return ~(waveform.square().mean().sqrt() >= silence)
