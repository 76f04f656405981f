"""Pipeline of the audio of a file: one spectrogram, or those of several sub-clips."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unlabelled.data.media.reader import Reader
from unlabelled.pipelines.base import ClipPipeline, read_waveform
from unlabelled.pipelines.spans import even_spans
from unlabelled.transforms.checks import check_at_least, check_positive, check_range
from unlabelled.transforms.spectrogram import Spectrogram
from unlabelled.transforms.vggish_mel import VGGishMel


class AudioPipeline(ClipPipeline):
    """Sub-clips of a recording.

    Training: one sub-clip with random start and random volume. Evaluation: ``eval_clips`` sub-clips with
    equally spaced starts, from the beginning to the end of the recording; if it is one, the middle. If there
    are several, ``audio`` has a dimension V before the channels. The features of a method are their mean;
    :class:`callbacks.AudioSVMEvaluation` computes features of each sub-clip.

    Args:
        audio: The spectrogram; ``null``: that of VGGish (64x496 of 5 s).
        clip_seconds: Duration of a sub-clip, of which the spectrogram covers the beginning; ``null``: the
            duration of the spectrogram.
        eval_clips: Sub-clips per recording in evaluation.
        volume: Smallest and largest factor on the waveform in training, drawn per sub-clip.
        mask: Add ``audio_mask (T,)``, all true, which stream encoders (EAO, SSPC, MCN) require.

    Raises:
        ValueError: A number is out of its range, or a sub-clip shorter than the spectrogram.

    Source: Hu et al. 2019, supplement section 4 (the 60 sub-clips of DCASE2014);
        docs/methods/dmc.md#audio-classification.
    """

    needs_video = False
    needs_audio = True

    def __init__(
        self,
        audio: Spectrogram | None = None,
        clip_seconds: float | None = None,
        eval_clips: int = 1,
        volume: tuple[float, float] = (0.9, 1.1),
        mask: bool = False,
    ) -> None:
        self.audio: Spectrogram = audio if audio is not None else VGGishMel()
        self.clip_seconds = clip_seconds if clip_seconds is not None else self.audio.seconds
        check_positive(self, clip_seconds=self.clip_seconds)
        check_at_least(self, 1, eval_clips=eval_clips)
        check_range(self, volume=volume)
        if self.clip_seconds < self.audio.seconds:
            raise ValueError(
                f"AudioPipeline: clip_seconds={clip_seconds} is less than the {self.audio.seconds:g} s of "
                "the spectrogram; lower audio.init_args.num_frames or raise clip_seconds"
            )
        self.eval_clips, self.volume, self.mask = eval_clips, volume, mask

    @property
    def seconds(self) -> float:
        """Duration of a sub-clip."""
        return self.clip_seconds

    def load(
        self, reader: Reader, path: str, duration: float, rng: np.random.Generator, train: bool
    ) -> dict[str, Tensor]:
        """Return ``audio (1, F, T)`` float32, in evaluation with several sub-clips ``(V, 1, F, T)``."""
        audio = self._training(reader, path, duration, rng) if train else self._fixed(reader, path, duration)
        mask = {"audio_mask": torch.ones(audio.shape[-1], dtype=torch.bool)} if self.mask else {}
        return {"audio": audio, **mask}

    def _training(self, reader: Reader, path: str, duration: float, rng: np.random.Generator) -> Tensor:
        start = rng.uniform(0, max(duration - self.clip_seconds, 0.0))
        (waveform,) = self._waveforms(reader, path, [start])
        return self.audio(waveform * rng.uniform(*self.volume))

    def _fixed(self, reader: Reader, path: str, duration: float) -> Tensor:
        starts = [span.start for span in even_spans(duration, self.clip_seconds, self.eval_clips)]
        spectrograms = [self.audio(waveform) for waveform in self._waveforms(reader, path, starts)]
        return torch.stack(spectrograms) if self.eval_clips > 1 else spectrograms[0]

    def _waveforms(self, reader: Reader, path: str, starts: list[float]) -> list[Tensor]:
        """Read one span for all sub-clips if they overlap, otherwise each separately."""
        length, rate = self.audio.seconds, self.audio.sample_rate
        total = starts[-1] - starts[0] + length
        if total > len(starts) * length:
            return [read_waveform(reader, path, start, length, rate) for start in starts]
        whole, samples = read_waveform(reader, path, starts[0], total, rate), round(length * rate)
        firsts = [min(round((start - starts[0]) * rate), len(whole) - samples) for start in starts]
        return [whole[first : first + samples] for first in firsts]
