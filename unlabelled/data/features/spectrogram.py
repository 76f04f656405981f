"""Log-mel spectrogram of AVLnet, equal to that of librosa 0.7 and 0.8."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from unlabelled.data.features.tokens import HOP, SAMPLE_RATE, WINDOW

_PRE_EMPHASIS = 0.97
_LEAST_POWER = 1e-10
_EMPTY = 200


class AVLnetSpectrogram:
    """Waveform to 40 mel bands in decibels below the maximum of the file, 100 frames per second.

    Mean subtracted, pre-emphasis 0.97, 25 ms windows (symmetric Hamming) every 10 ms, centred on multiples of
    10 ms, power, Slaney's mel filters from 20 Hz to 8 kHz with unit area, ``10 log10`` relative to the
    maximum, at least ``-top_db``. The released code lowers the volume by 4 dB when it converts videos to wav
    files, which here only changes what counts as silence.

    Args:
        padding: Continuation of the signal beyond both ends: mirrored (``reflect``), librosa's default until
            0.8, or silence (``constant``), its default since 0.9. AVLnet is from 2020.
        top_db: Decibels below the maximum at which values are clipped.

    Source: roudimit/AVLnet, audio_to_spectrograms.py; docs/methods/sspc.md#features.
    """

    num_bands = 40

    def __init__(self, padding: Literal["reflect", "constant"] = "reflect", top_db: float = 80.0) -> None:
        self.padding, self.top_db = padding, top_db

    @cached_property
    def filters(self) -> Tensor:
        """Mel filters ``(201, 40)``."""
        from torchaudio.functional import melscale_fbanks

        bins, top = WINDOW // 2 + 1, SAMPLE_RATE / 2
        filters: Tensor = melscale_fbanks(
            bins, 20.0, top, self.num_bands, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
        )
        return filters

    def __call__(self, waveform: Tensor) -> Tensor:
        """Map a waveform ``(samples,)`` at 16 kHz to a spectrogram ``(40, 1 + samples // 160)`` float32.

        An empty waveform is replaced by 200 zeros. Silence is 0 dB everywhere, the maximum.

        Raises:
            ValueError: The waveform has more than one channel.
        """
        if waveform.ndim != 1:
            raise ValueError(
                f"AVLnetSpectrogram: expected a waveform (samples,), found {tuple(waveform.shape)}"
            )
        signal = waveform.float() if len(waveform) else torch.zeros(_EMPTY)
        signal = signal - signal.mean()
        signal = torch.cat([signal[:1], signal[1:] - _PRE_EMPHASIS * signal[:-1]])
        # NumPy pads short signals too, by mirroring them more than once.
        padded = torch.from_numpy(np.pad(signal.numpy(), WINDOW // 2, mode=self.padding))
        frames = padded.unfold(0, WINDOW, HOP) * torch.hamming_window(WINDOW, periodic=False)
        power = torch.fft.rfft(frames).abs().square()
        return self._decibels((power @ self.filters).T.contiguous())

    def _decibels(self, energies: Tensor) -> Tensor:
        levels = 10 * energies.clamp(min=_LEAST_POWER).log10()
        levels = levels - levels.max()
        return levels.clamp(min=-self.top_db)
