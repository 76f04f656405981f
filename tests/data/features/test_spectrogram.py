"""AVLnet's spectrogram against NumPy, step by step from librosa's definitions."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from unlabelled.data.features.spectrogram import AVLnetSpectrogram


def slaney_filters(bands: int = 40, low: float = 20.0, high: float = 8000.0) -> np.ndarray:
    """Slaney's mel scale: linear to 1 kHz (200/3 Hz a mel), then 27 mels to a factor of 6.4; unit area."""

    def to_mel(hertz: float) -> float:
        return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)

    mels = np.linspace(to_mel(low), to_mel(high), bands + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))
    filters = np.zeros((bands, 201))
    for band in range(bands):
        left, centre, right = edges[band : band + 3]
        for number in range(201):
            hertz = number * 16000 / 400
            height = min((hertz - left) / (centre - left), (right - hertz) / (right - centre))
            filters[band, number] = max(0.0, height) * 2 / (right - left)
    return filters


def reference(waveform: np.ndarray, mode: Literal["reflect", "constant"] = "reflect") -> np.ndarray:
    signal = waveform.astype(np.float64) - waveform.astype(np.float64).mean()
    signal = np.append(signal[0], signal[1:] - 0.97 * signal[:-1])
    padded = np.pad(signal, 200, mode=mode)
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(400) / 399)  # symmetric
    frames = [padded[start : start + 400] * window for start in range(0, len(padded) - 399, 160)]
    power = np.abs(np.fft.rfft(np.array(frames))) ** 2
    levels = 10 * np.log10(np.maximum(1e-10, slaney_filters() @ power.T))
    levels -= levels.max()
    return np.maximum(levels, -80)


@pytest.mark.parametrize("mode", ["reflect", "constant"])
@pytest.mark.parametrize("samples", [1, 150, 1600, 16037])
def test_against_numpy(samples: int, mode: Literal["reflect", "constant"]) -> None:
    rng = np.random.default_rng(samples)
    tone = np.sin(np.arange(samples) * 0.05 * np.linspace(1, 3, samples))
    waveform = (0.3 + 0.4 * tone + 0.01 * rng.normal(size=samples)).astype(np.float32)
    ours = AVLnetSpectrogram(mode)(torch.from_numpy(waveform))
    assert ours.shape == (40, 1 + samples // 160)
    if samples == 1:  # nothing remains without the mean
        assert not ours.any()
    else:
        assert ours.numpy() == pytest.approx(reference(waveform, mode), abs=2e-2)


def test_the_filters() -> None:
    assert AVLnetSpectrogram().filters.T.numpy() == pytest.approx(slaney_filters(), abs=1e-6)


def test_a_hundred_frames_a_second_of_at_most_zero() -> None:
    levels = AVLnetSpectrogram()(torch.randn(16000 * 8, generator=torch.Generator().manual_seed(0)))
    assert levels.shape == (40, 801)
    assert levels.max() == 0
    assert levels.min() >= -80


def test_volume_and_offset_change_nothing() -> None:
    waveform = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    make = AVLnetSpectrogram()
    assert torch.allclose(make(waveform), make(0.63 * waveform + 0.2), atol=1e-2)


def test_silence_and_nothing() -> None:
    make = AVLnetSpectrogram()
    assert torch.equal(make(torch.zeros(0)), torch.zeros(40, 2))  # 200 zeros
    assert torch.equal(make(torch.zeros(800)), torch.zeros(40, 6))
    with pytest.raises(ValueError, match=r"expected a waveform \(samples,\), found \(2, 9\)"):
        make(torch.zeros(2, 9))
