"""Pipeline of one frame of a clip and the audio around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from unlabelled.data.media.reader import Reader
from unlabelled.pipelines.base import (
    ClipPipeline,
    is_silent,
    read_frames,
    read_waveform,
    read_waveform_or_silence,
)
from unlabelled.pipelines.finish import finish_batch
from unlabelled.pipelines.images import Channels
from unlabelled.transforms.augmentation import Augmentation
from unlabelled.transforms.checks import check_at_least, check_normalisation, check_positive, check_range
from unlabelled.transforms.crops import Crop
from unlabelled.transforms.spectrogram import Spectrogram
from unlabelled.transforms.vggish_mel import VGGishMel

if TYPE_CHECKING:
    from unlabelled.batch import Batch

_INSTANT = 1e-3  # seconds; one frame of such a span is the one displayed at its beginning


class Times(NamedTuple):
    """Seconds in a file at which the audio begins and the frame is displayed."""

    audio: float
    frame: float


class FrameAndAudio(ClipPipeline):
    """A frame and the spectrogram of the span that contains it.

    Training: a random span. Evaluation: the span in the middle of the file, and a frame that is scaled
    without a crop, so that positions as fractions of its sides do not change.

    Args:
        size: Height and width of the image.
        audio: The spectrogram; ``null``: that of VGGish and DMC (64x496 of 5 s).
        segment: The audio begins at a multiple of this number of seconds (DMC: 5); ``null``: anywhere.
        frame: At the ``beginning`` of the audio (DMC), or ``within`` it: in training any frame, in evaluation
            the middle one (L3-Net).
        crop: Random crop in training, to ``size``; ``null``: the whole frame, as in evaluation.
        augmentation: Colours and flip in training.
        volume: Smallest and largest factor on the waveform in training.
        mean: Mean of red, green and blue, from 0 to 1; the default maps images to -1 to 1.
        std: Standard deviation of red, green and blue.
        silence: An audio track whose root mean square is below this is ``silent``.
        pad: Also accept files that are shorter than the spectrogram, and add ``audio_mask`` of valid frames.
        allow_missing_audio: Also read files without an audio track, or with a damaged one, as silent.

    Raises:
        ValueError: A number is out of its range, or ``crop`` cuts another size.

    Source: DTaoo/DMC, utils/multimodal_loader.py (DMC); marl/l3embedding, data/avc/sample.py (L3-Net);
        docs/methods/dmc.md#input. ``silence`` is ours.
    """

    needs_video = True

    def __init__(
        self,
        size: int = 256,
        audio: Spectrogram | None = None,
        segment: float | None = None,
        frame: Literal["beginning", "within"] = "within",
        crop: Crop | None = None,
        augmentation: Augmentation | None = None,
        volume: tuple[float, float] = (1.0, 1.0),
        mean: Channels = (0.5, 0.5, 0.5),
        std: Channels = (0.5, 0.5, 0.5),
        silence: float = 1e-4,
        pad: bool = False,
        allow_missing_audio: bool = False,
    ) -> None:
        check_at_least(self, 1, size=size)
        check_at_least(self, 0, silence=silence)
        check_range(self, volume=volume)
        check_normalisation(self, mean, std)
        if segment is not None:
            check_positive(self, segment=segment)
        if getattr(crop, "size", size) != size:
            raise ValueError(f"FrameAndAudio: crop.init_args.size must be size={size}, as in evaluation")
        self.size, self.segment, self.frame = size, segment, frame
        self.crop, self.augmentation = crop, augmentation
        self.audio: Spectrogram = audio if audio is not None else VGGishMel()
        self.volume, self.mean, self.std, self.silence, self.pad = volume, mean, std, silence, pad
        self.allow_missing_audio = allow_missing_audio

    @property
    def needs_audio(self) -> bool:
        """True unless files without audio are allowed."""
        return not self.allow_missing_audio

    @property
    def seconds(self) -> float:
        """Smallest duration of a file: that of the spectrogram, or 0 with ``pad``."""
        return 0.0 if self.pad else self.audio.seconds

    def load(
        self, reader: Reader, path: str, duration: float, rng: np.random.Generator, train: bool
    ) -> dict[str, Any]:
        """Return ``image``, ``audio``, ``frame_second`` and ``silent``.

        Shapes: ``(3, size, size)`` uint8, ``(1, F, T)`` float32, ``()`` float64 seconds in the file, ``()``
        bool. With ``pad`` also ``audio_mask (T,)``; in training with an augmentation also ``augmentations``.
        """
        times = self._random_times(duration, rng) if train else self._middle_times(duration)
        sample: dict[str, Any] = {
            "image": self._image(reader, path, times.frame, rng, train),
            "frame_second": torch.tensor(times.frame, dtype=torch.float64),
            **self._audio(reader, path, times.audio, rng if train else None),
        }
        if self.pad:
            sample["audio_mask"] = self._audio_mask(duration - times.audio)
        if train and self.augmentation is not None:
            sample["augmentations"] = [self.augmentation.draw(rng)]
        return sample

    def finish(self, batch: Batch) -> Batch:
        """Augment and normalise the images; see :meth:`SamplePipeline.finish`."""
        augmentations = [] if self.augmentation is None else [self.augmentation]
        return finish_batch(batch, augmentations, self.mean, self.std)

    def pixels(self, images: Tensor) -> Tensor:
        """Undo the normalisation of ``(B, 3, H, W)``; see :meth:`SamplePipeline.pixels`."""
        mean, std = (images.new_tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return (images * std + mean).mul(255).round().clamp(0, 255).to(torch.uint8)

    def _random_times(self, duration: float, rng: np.random.Generator) -> Times:
        length = self.audio.seconds
        slack = max(duration - length, 0.0)
        start = rng.uniform(0, slack)
        if self.segment is not None:
            start = self.segment * int(rng.integers(0, self._num_segments(slack)))
        offset = rng.uniform(0, min(length, duration)) if self.frame == "within" else 0.0
        return Times(start, start + offset)

    def _middle_times(self, duration: float) -> Times:
        length = self.audio.seconds
        start = max(duration - length, 0.0) / 2
        if self.segment is not None:
            start = self.segment * ((self._num_segments(2 * start) - 1) // 2)
        return Times(start, start + (min(length, duration) / 2 if self.frame == "within" else 0.0))

    def _num_segments(self, slack: float) -> int:
        assert self.segment is not None
        return 1 + int(slack / self.segment + 1e-6)

    def _image(
        self, reader: Reader, path: str, second: float, rng: np.random.Generator, train: bool
    ) -> Tensor:
        frame = read_frames(reader, path, second, _INSTANT, 1)[0]
        if train and self.crop is not None:
            return self.crop(frame, rng).contiguous()
        whole: Tensor = TF.resize(frame, [self.size, self.size], antialias=True)
        return whole.contiguous()

    def _audio(
        self, reader: Reader, path: str, start: float, rng: np.random.Generator | None
    ) -> dict[str, Tensor]:
        read = read_waveform_or_silence if self.allow_missing_audio else read_waveform
        waveform = read(reader, path, start, self.audio.seconds, self.audio.sample_rate)
        silent = is_silent(waveform, self.silence)  # before the volume factor, which may be 0
        scaled = waveform if rng is None else waveform * rng.uniform(*self.volume)
        return {"audio": self.audio(scaled), "silent": silent}

    def _audio_mask(self, remaining: float) -> Tensor:
        """Return ``(T,)`` bool, true for frames of the spectrogram that begin before the end of the file."""
        starts = torch.arange(self.audio.num_frames) * self.audio.hop_samples / self.audio.sample_rate
        return starts < max(remaining, 0.0)
