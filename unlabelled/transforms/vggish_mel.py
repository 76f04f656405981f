"""Log-mel spectrogram of VGGish, the input of the audio network of DMC."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from unlabelled.transforms.checks import check_at_least, check_positive
from unlabelled.transforms.spectrogram import Spectrogram, check_window, frames_of, magnitudes


class VGGishMel(Spectrogram):
    """Waveform to ``log(x + 0.01)`` of the magnitudes in mel bands, in the precision of the waveform.

    Periodic Hann window, magnitude (not power) of the Fourier transform of the next power of two, triangular
    bands that are linear in HTK's mel, without the constant part. The frames start at 0 and are not
    padded: 5 s have 498 of 25 ms every 10 ms, of which DMC keeps the first 496.

    Args:
        sample_rate: Hertz.
        num_filters: F.
        num_frames: T.
        window: Seconds per frame.
        hop: Seconds between frames.
        lowest: Lower edge of the lowest band in Hz.
        highest: Upper edge of the highest band in Hz.
        offset: Offset added before the logarithm.

    Raises:
        ValueError: The bands are out of order, or a number is out of its range.

    Source: DTaoo/DMC, utils/mel_features.py. The parameters there (80 ms every 50 ms) give no example
        from the 5 s that the loader cuts; these values fit the sizes of the network
        (docs/methods/dmc.md#paper-and-released-code).
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        num_filters: int = 64,
        num_frames: int = 496,
        window: float = 0.025,
        hop: float = 0.01,
        lowest: float = 125.0,
        highest: float = 7500.0,
        offset: float = 0.01,
    ) -> None:
        check_at_least(self, 1, num_filters=num_filters, num_frames=num_frames, sample_rate=sample_rate)
        check_positive(self, offset=offset)
        if not 0 <= lowest < highest <= sample_rate / 2:
            raise ValueError(
                f"VGGishMel: lowest={lowest} and highest={highest} Hz must ascend, up to half of "
                f"sample_rate={sample_rate}"
            )
        self.sample_rate, self.num_filters, self.num_frames = sample_rate, num_filters, num_frames
        self.lowest, self.highest, self.offset = lowest, highest, offset
        self.num_fft = 1 << max(round(window * sample_rate) - 1, 0).bit_length()
        self.window_samples, self.hop_samples = check_window(
            "VGGishMel", window, hop, sample_rate, self.num_fft
        )

    @cached_property
    def bands(self) -> Tensor:
        """Triangular bands ``(num_fft / 2 + 1, F)`` float64."""
        bins = torch.linspace(0, self.sample_rate / 2, self.num_fft // 2 + 1, dtype=torch.float64)
        ends = _mel(torch.tensor([self.lowest, self.highest], dtype=torch.float64))
        edges = torch.linspace(float(ends[0]), float(ends[1]), self.num_filters + 2, dtype=torch.float64)
        left, centre, right = edges[:-2], edges[1:-1], edges[2:]
        mels = _mel(bins).unsqueeze(1)
        triangles = torch.minimum((mels - left) / (centre - left), (right - mels) / (right - centre))
        triangles[0] = 0.0
        return triangles.clamp(min=0.0)

    @cached_property
    def _single_bands(self) -> Tensor:
        return self.bands.float()

    def __call__(self, waveform: Tensor) -> Tensor:
        """Map a waveform ``(samples,)``, float32 or float64, to ``(1, F, T)``; see :class:`Spectrogram`."""
        frames = frames_of(waveform, self.window_samples, self.hop_samples, self.num_frames)
        spectrum = magnitudes(frames, self.num_fft)
        energies = spectrum @ (self.bands if spectrum.dtype == torch.float64 else self._single_bands)
        return (energies + self.offset).log().T.unsqueeze(0).float()


def _mel(hertz: Tensor) -> Tensor:
    return 1127.0 * torch.log1p(hertz / 700.0)
