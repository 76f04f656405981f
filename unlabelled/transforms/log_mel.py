"""Log-mel spectrogram with the conventions of SeLaVi and GDT (``python_speech_features``)."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.transforms.spectrogram import Spectrogram

_INT16 = 32768.0
_PRE_EMPHASIS = 0.97
_FLOOR = math.log(torch.finfo(torch.float64).eps)  # value of a filter without energy: -36.04
_LOWEST = -10.0  # of a filter relative to the level of its clip; 43 dB


class LogMel(Spectrogram):
    """Waveform to log filter-bank energies, computed in the precision of the waveform.

    Pre-emphasis 0.97, rectangular window, ``|rfft|^2 / num_fft``, triangular mel filters from 0 Hz to
    half the sample rate whose edges are rounded down to FFT bins, energies of zero replaced by float64's
    epsilon, natural logarithm. The waveform is scaled to the range of int16 first, as in the released code.
    float32 differs from float64 by less than 0.01 in the logarithm, where a band is 80 dB below the loudest.

    Published variants: 257x199 (20 ms / 10 ms over 2 s, or 10 ms / 5 ms over 1 s), 257x99 (20 ms / 10 ms
    over 1 s), 40x100 (XDC; 1.01 s). With 257 filters some of the lowest hold no FFT bin and are constant.

    Args:
        sample_rate: Hertz.
        num_filters: F.
        num_frames: T.
        window: Seconds per frame.
        hop: Seconds between frames.
        num_fft: Points of the Fourier transform.
        mean: Mean, subtracted from the logarithm.
        std: Standard deviation, divides the difference. GDT: mean 1.93, std 17.89; by default no
            normalisation.
        level: ``absolute`` as in the papers; ``clip``: relative to the mean of the clip's logarithms and at
            least -10 (43 dB), so that the spectrogram does not depend on the volume. Ours.

    Raises:
        ValueError: The window is longer than the Fourier transform, or ``level`` is unknown.

    Example:
        >>> LogMel(sample_rate=16000, num_filters=40, num_frames=99)(torch.zeros(16000)).shape
        torch.Size([1, 40, 99])

    Source: facebookresearch/selavi, datasets/audio_utils.py; docs/methods/selavi.md#input.
    """

    def __init__(
        self,
        sample_rate: int = 24000,
        num_filters: int = 257,
        num_frames: int = 199,
        window: float = 0.02,
        hop: float = 0.01,
        num_fft: int = 1024,
        mean: float = 0.0,
        std: float = 1.0,
        level: Literal["absolute", "clip"] = "absolute",
    ) -> None:
        self.sample_rate, self.num_filters, self.num_frames = sample_rate, num_filters, num_frames
        self.window, self.hop, self.num_fft = window, hop, num_fft
        self.mean, self.std, self.level = mean, std, level
        self.window_samples, self.hop_samples = round(window * sample_rate), round(hop * sample_rate)
        if self.window_samples > num_fft:
            raise ValueError(
                f"LogMel: a window of {window} s at {sample_rate} Hz has {self.window_samples} samples, more "
                f"than num_fft={num_fft}; shorten the window or raise num_fft"
            )
        if level not in ("absolute", "clip"):
            raise ValueError(f"LogMel: level is {level!r}, expected absolute or clip")

    @property
    def floor(self) -> float:
        """Value of a filter without energy."""
        return ((_FLOOR if self.level == "absolute" else _LOWEST) - self.mean) / self.std

    @cached_property
    def _single_filters(self) -> Tensor:
        return self.filters.float()

    @cached_property
    def filters(self) -> Tensor:
        """Triangular filters ``(num_fft / 2 + 1, F)`` float64."""
        top = 2595 * math.log10(1 + self.sample_rate / 2 / 700)
        mels = torch.linspace(0, top, self.num_filters + 2, dtype=torch.float64)
        hertz = 700 * (10 ** (mels / 2595) - 1)
        edges = ((self.num_fft + 1) * hertz / self.sample_rate).floor()
        left, centre, right = edges[:-2], edges[1:-1], edges[2:]
        bins = torch.arange(self.num_fft // 2 + 1, dtype=torch.float64).unsqueeze(1)
        rise = (bins - left) / (centre - left).clamp(min=1)
        fall = (right - bins) / (right - centre).clamp(min=1)
        rising, falling = (bins >= left) & (bins < centre), (bins >= centre) & (bins < right)
        return rise * rising + fall * falling

    def __call__(self, waveform: Tensor) -> Tensor:
        """Map a waveform ``(samples,)`` in [-1, 1], float32 or float64, to ``(1, F, T)`` float32.

        A waveform that is too short is padded with silence, one that is too long is cut.
        """
        signal = waveform * _INT16
        signal = torch.cat([signal[:1], signal[1:] - _PRE_EMPHASIS * signal[:-1]])
        needed = (self.num_frames - 1) * self.hop_samples + self.window_samples
        signal = F.pad(signal, (0, max(needed - len(signal), 0)))[:needed]
        frames = signal.unfold(0, self.window_samples, self.hop_samples)  # (T, window)
        spectrum = torch.fft.rfft(frames, self.num_fft)
        power = (spectrum.real.square() + spectrum.imag.square()) / self.num_fft
        energy = power @ (self.filters if power.dtype == torch.float64 else self._single_filters)
        logarithm = energy.masked_fill(energy == 0, torch.finfo(torch.float64).eps).log()
        if self.level == "clip":
            logarithm = _relative(logarithm, energy > 0)
        spectrogram: Tensor = (logarithm - self.mean) / self.std
        return spectrogram.T.unsqueeze(0).float()

    def change_volume(self, spectrogram: Tensor, factor: float) -> Tensor:
        """Return the spectrogram ``(..., F, T)`` of the waveform multiplied by ``factor`` >= 0."""
        if factor == 0:
            return torch.full_like(spectrogram, self.floor)
        if self.level == "clip":
            return spectrogram
        scaled = spectrogram + 2 * math.log(factor) / self.std
        return torch.where(spectrogram <= self.floor + 1e-3, spectrogram, scaled)


def _relative(logarithm: Tensor, has_energy: Tensor) -> Tensor:
    """Subtract the mean of the entries with energy; those without have the lowest value at any volume."""
    level = logarithm.where(has_energy, 0).sum() / has_energy.sum().clamp(min=1)
    return (logarithm - level).where(has_energy, _LOWEST).clamp(min=_LOWEST)
