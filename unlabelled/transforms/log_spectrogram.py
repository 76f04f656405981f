"""Log-spectrogram, the input of the audio network of L3-Net."""

from __future__ import annotations

from torch import Tensor

from unlabelled.transforms.checks import check_at_least, check_positive
from unlabelled.transforms.spectrogram import Spectrogram, check_window, frames_of, magnitudes


class LogSpectrogram(Spectrogram):
    """Waveform to ``log(max(x, 1e-12))`` of the magnitudes at all frequencies, computed in float64.

    257x199 of one second at 48 kHz: periodic Hann windows of 10 ms that overlap by half, a Fourier transform
    of 512 points. The division by 5 of marl/l3embedding is done by
    :class:`~unlabelled.encoders.L3Audio`.

    Args:
        sample_rate: Hertz.
        num_frames: T.
        window: Seconds per frame.
        hop: Seconds between frames. 242 samples, as in marl/l3embedding, give 197 frames.
        num_fft: Points of the Fourier transform; F is half of it plus 1.
        floor: Smallest magnitude.

    Raises:
        ValueError: The window is longer than the Fourier transform, or a number is out of its range.

    Source: Arandjelovic and Zisserman 2017; marl/l3embedding, l3embedding/audio_model.py;
        docs/methods/dmc.md#input.
    """

    def __init__(
        self,
        sample_rate: int = 48000,
        num_frames: int = 199,
        window: float = 0.01,
        hop: float = 0.005,
        num_fft: int = 512,
        floor: float = 1e-12,
    ) -> None:
        check_at_least(self, 1, num_frames=num_frames, sample_rate=sample_rate)
        check_positive(self, floor=floor)
        self.sample_rate, self.num_frames, self.num_filters = sample_rate, num_frames, num_fft // 2 + 1
        self.num_fft, self.floor = num_fft, floor
        self.window_samples, self.hop_samples = check_window(
            "LogSpectrogram", window, hop, sample_rate, num_fft
        )

    def __call__(self, waveform: Tensor) -> Tensor:
        """Map a waveform ``(samples,)`` in [-1, 1] to ``(1, F, T)`` float32; see :class:`Spectrogram`."""
        # float32 rounds magnitudes to about 1e-7 of the largest one of a frame, far above the floor.
        frames = frames_of(waveform.double(), self.window_samples, self.hop_samples, self.num_frames)
        spectrum = magnitudes(frames, self.num_fft).clamp(min=self.floor)
        return spectrum.log().T.unsqueeze(0).float()
