"""Base class of spectrograms, and short-time spectra."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor


class Spectrogram(ABC):
    """Maps a waveform to a spectrogram of fixed size.

    Attributes:
        sample_rate: Sample rate of the waveform in Hz.
        num_filters: F, number of frequency bands.
        num_frames: T, number of frames.
        window_samples: Samples per frame.
        hop_samples: Samples from frame to frame.
    """

    sample_rate: int
    num_filters: int
    num_frames: int
    window_samples: int
    hop_samples: int

    @property
    def seconds(self) -> float:
        """Duration of the waveform that fills the spectrogram."""
        return ((self.num_frames - 1) * self.hop_samples + self.window_samples) / self.sample_rate

    @abstractmethod
    def __call__(self, waveform: Tensor) -> Tensor:
        """Map a waveform ``(samples,)`` in [-1, 1] to a spectrogram ``(1, F, T)`` float32.

        A waveform that is too short is padded with silence, one that is too long is cut.
        """


def frames_of(waveform: Tensor, window_samples: int, hop_samples: int, num_frames: int) -> Tensor:
    """Cut ``(samples,)`` into frames ``(T, window)`` that start at 0; missing samples are zeros."""
    needed = (num_frames - 1) * hop_samples + window_samples
    return F.pad(waveform, (0, max(needed - len(waveform), 0)))[:needed].unfold(
        0, window_samples, hop_samples
    )


def magnitudes(frames: Tensor, num_fft: int) -> Tensor:
    """Return magnitudes ``(T, num_fft / 2 + 1)`` of frames ``(T, window)`` under a periodic Hann window."""
    window = torch.hann_window(frames.shape[1], periodic=True, dtype=frames.dtype)
    spectrum: Tensor = torch.fft.rfft(frames * window, num_fft)
    return spectrum.abs()


def check_window(owner: str, window: float, hop: float, sample_rate: int, num_fft: int) -> tuple[int, int]:
    """Return window and hop in samples.

    Raises:
        ValueError: The window is longer than the Fourier transform, or window or hop are shorter than a
            sample.
    """
    window_samples, hop_samples = round(window * sample_rate), round(hop * sample_rate)
    if not 1 <= window_samples <= num_fft or hop_samples < 1:
        raise ValueError(
            f"{owner}: window={window} s and hop={hop} s at {sample_rate} Hz are {window_samples} and "
            f"{hop_samples} samples; expected at least 1, and a window of at most num_fft={num_fft}"
        )
    return window_samples, hop_samples
