"""Pipeline of a clip's video and audio of the same seconds."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from unlabelled.data.media.reader import Reader
from unlabelled.pipelines.base import (
    ClipPipeline,
    is_silent,
    read_frames,
    read_waveform,
    read_waveform_or_silence,
)
from unlabelled.pipelines.images import Channels
from unlabelled.transforms.checks import check_at_least, check_min_seconds, check_normalisation
from unlabelled.transforms.clip_transforms import (
    MEAN,
    STD,
    centre_crop,
    jitter_colours,
    normalise,
    random_crop,
    shift_colours,
    to_greyscale,
)
from unlabelled.transforms.log_mel import LogMel


class AudioVisualPipeline(ClipPipeline):
    """A clip of frames and the log-mel spectrogram that starts with it.

    Training: a random start, a random short side, a random crop, a flip, a random volume. Evaluation: the
    middle of the clip, ``eval_short_side``, the central crop. If video and audio have different durations
    (30 frames at 30 fps with 257x199 at 24 kHz: 1 s and 2 s), both start at the same time.

    Args:
        num_frames: T, evenly spread over ``num_frames / fps`` seconds and chosen by timestamp.
        fps: Frames per second of the clip, independent of the frame rate of the file.
        crop: Height and width of the clip.
        train_short_side: Smallest and largest short side after resizing, drawn per clip.
        eval_short_side: Short side after resizing at evaluation.
        flip: Probability of a horizontal flip.
        colour_jitter: Strength of a random change of colours per clip, see
            :func:`~unlabelled.transforms.clip_transforms.jitter_colours`; 0 as in the paper: none.
        greyscale: Probability of a clip without colours; 0 as in the paper.
        colour_shift: Strength of a random change of contrast and channels per clip, see
            :func:`~unlabelled.transforms.clip_transforms.shift_colours`; 0 as in the paper: none.
        volume: Smallest and largest factor on the waveform, drawn per clip.
        audio: The spectrogram.
        silence: An audio track whose root mean square is below this is ``silent``.
        allow_missing_audio: Also read files without an audio track, or with a damaged one, as silent.
        mean: Mean of red, green and blue, from 0 to 1. ``python -m unlabelled statistics DIR`` prints those
            of a data set.
        std: Standard deviation of red, green and blue.
        min_seconds: Smallest duration of a usable file; one that is shorter than the clip is read as a whole,
            with frames that are closer together, and silence after its audio. ``null``: that of the clip.

    Raises:
        ValueError: A short side below ``crop``, a range whose first number is the larger one, or
            ``min_seconds`` is not above 0.

    Source: SeLaVi appendix A.2; docs/methods/selavi.md#input. ``silence`` is ours.
    """

    needs_video = True
    marks_silence = True

    def __init__(
        self,
        num_frames: int = 30,
        fps: float = 30.0,
        crop: int = 112,
        train_short_side: tuple[int, int] = (128, 128),
        eval_short_side: int = 128,
        flip: float = 0.5,
        colour_jitter: float = 0.0,
        greyscale: float = 0.0,
        colour_shift: float = 0.0,
        volume: tuple[float, float] = (0.9, 1.1),
        audio: LogMel | None = None,
        silence: float = 1e-4,
        allow_missing_audio: bool = False,
        min_seconds: float | None = None,
        mean: Channels = (MEAN, MEAN, MEAN),
        std: Channels = (STD, STD, STD),
    ) -> None:
        check_at_least(self, 0, silence=silence, colour_shift=colour_shift)
        check_normalisation(self, mean, std)
        for name, bounds in (("train_short_side", train_short_side), ("volume", volume)):
            if bounds[0] > bounds[1]:
                raise ValueError(f"AudioVisualPipeline: {name}={list(bounds)} must be [smallest, largest]")
        if not 0 <= colour_jitter <= 1:
            raise ValueError(f"AudioVisualPipeline: colour_jitter={colour_jitter} must be from 0 to 1")
        if min(*train_short_side, eval_short_side) < crop:
            raise ValueError(
                f"AudioVisualPipeline: train_short_side={list(train_short_side)} and eval_short_side="
                f"{eval_short_side} must be at least crop={crop}"
            )
        self.num_frames, self.fps, self.crop = num_frames, fps, crop
        self.train_short_side, self.eval_short_side = train_short_side, eval_short_side
        self.flip, self.colour_jitter, self.greyscale = flip, colour_jitter, greyscale
        self.colour_shift = colour_shift
        self.volume, self.mean, self.std = volume, mean, std
        self.audio = audio if audio is not None else LogMel()
        self.silence, self.allow_missing_audio = silence, allow_missing_audio
        self.min_seconds = check_min_seconds(self, min_seconds, self.span)

    @property
    def needs_audio(self) -> bool:
        """True unless files without audio are allowed."""
        return not self.allow_missing_audio

    @property
    def span(self) -> float:
        """Duration of the longer one of video and audio."""
        return max(self.num_frames / self.fps, self.audio.seconds)

    @property
    def seconds(self) -> float:
        """Smallest duration of a usable file: ``min_seconds``."""
        return self.min_seconds

    def load(
        self, reader: Reader, path: str, duration: float, rng: np.random.Generator, train: bool
    ) -> dict[str, Tensor]:
        """Return ``video (3, T, crop, crop)`` and ``audio (1, F, frames)`` float32, ``silent ()`` bool."""
        slack = max(duration - self.span, 0.0)
        start = rng.uniform(0, slack) if train else slack / 2
        video = self._video(reader, path, start, min(self.num_frames / self.fps, duration), rng, train)
        read = read_waveform_or_silence if self.allow_missing_audio else read_waveform
        waveform = read(reader, path, start, self.audio.seconds, self.audio.sample_rate)
        audio = self.audio(waveform * rng.uniform(*self.volume) if train else waveform)
        return {"video": video, "audio": audio, "silent": is_silent(waveform, self.silence)}

    def _video(
        self, reader: Reader, path: str, start: float, length: float, rng: np.random.Generator, train: bool
    ) -> Tensor:
        low, high = self.train_short_side
        short_side = round(rng.uniform(low, high)) if train else self.eval_short_side
        frames = read_frames(reader, path, start, length, self.num_frames, short_side)
        if not train:
            return normalise(centre_crop(frames, self.crop), self.mean, self.std)
        frames = random_crop(frames, self.crop, rng)
        if rng.random() < self.flip:
            frames = frames.flip(-1)
        if self.colour_jitter > 0:
            frames = jitter_colours(frames, self.colour_jitter, rng)
        if rng.random() < self.greyscale:
            frames = to_greyscale(frames)
        clip = normalise(frames, self.mean, self.std)
        return shift_colours(clip, self.colour_shift, rng) if self.colour_shift > 0 else clip
