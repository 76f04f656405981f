"""VGGish's log-mel spectrogram and L3-Net's plain one, against loops over frames and bands."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
import torch

from unlabelled.transforms import LogSpectrogram, Spectrogram, VGGishMel


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mel(hertz: float) -> float:
    return 1127 * math.log(1 + hertz / 700)


def test_vggish_by_loops() -> None:
    front_end, wave = VGGishMel(num_filters=8, num_frames=5), noise(1200)
    spectrogram = front_end(wave)
    assert spectrogram.shape == (1, 8, 5)
    assert spectrogram.dtype == torch.float32
    window = [0.5 - 0.5 * math.cos(2 * math.pi * n / 400) for n in range(400)]
    edges = [mel(125) + i * (mel(7500) - mel(125)) / 9 for i in range(10)]
    for frame in (0, 2, 4):
        part = wave[frame * 160 : frame * 160 + 400].numpy() * window
        spectrum = np.abs(np.fft.rfft(part, 512))
        for band in range(8):
            left, centre, right = edges[band : band + 3]
            total = 0.0
            for k in range(1, 257):  # the constant part is left out
                place = mel(k * 16000 / 512)
                rise, fall = (place - left) / (centre - left), (right - place) / (right - centre)
                total += max(0.0, min(rise, fall)) * spectrum[k]
            assert float(spectrogram[0, band, frame]) == pytest.approx(math.log(total + 0.01), abs=1e-5)


def test_vggish_of_dmc() -> None:
    """Five seconds have 498 frames, of which the first 496 are kept."""
    front_end = VGGishMel()
    wave = noise(80_000)
    assert front_end(wave).shape == (1, 64, 496)
    assert front_end.seconds == pytest.approx(4.975)
    assert 1 + (80_000 - 400) // 160 == 498
    longer = VGGishMel(num_frames=498)(wave)
    torch.testing.assert_close(front_end(wave), longer[..., :496])
    assert front_end.num_fft == 512
    released = VGGishMel(window=0.08, hop=0.05, num_frames=99)
    assert released.num_fft == 2048
    assert released.seconds <= 5


def test_silence_and_a_tone() -> None:
    front_end = VGGishMel(num_frames=10)
    assert front_end(torch.zeros(2000)).unique().tolist() == pytest.approx([math.log(0.01)])
    tone = torch.sin(2 * math.pi * 1000 * torch.arange(2000) / 16000)
    loudest = int(front_end(tone)[0].mean(1).argmax())
    centre = 700 * (math.exp((mel(125) + (loudest + 1) * (mel(7500) - mel(125)) / 65) / 1127) - 1)
    assert centre == pytest.approx(1000, rel=0.05)


def test_l3s_spectrogram_is_scipys() -> None:
    front_end, wave = LogSpectrogram(), noise(48_000)
    found = front_end(wave)
    assert found.shape == (1, 257, 199)
    assert front_end.seconds == 1.0
    transform = scipy.signal.ShortTimeFFT(
        scipy.signal.get_window("hann", 480, fftbins=True), hop=240, fs=48_000, mfft=512
    )
    # scipy centres its windows: its first whole one is where ours begins
    theirs = np.abs(transform.stft(wave.numpy(), p0=1, p1=200))
    np.testing.assert_allclose(found[0].numpy(), np.log(np.maximum(theirs, 1e-12)), atol=1e-5)
    assert LogSpectrogram(hop=242 / 48_000, window=512 / 48_000, num_frames=197).seconds <= 1
    assert float(front_end(torch.zeros(48_000)).max()) == pytest.approx(math.log(1e-12))


@pytest.mark.parametrize("front_end", [VGGishMel(num_frames=30), LogSpectrogram(16000, 30)])
def test_short_waveforms_are_padded_and_long_ones_cut(front_end: Spectrogram) -> None:
    samples = round(front_end.seconds * front_end.sample_rate)
    wave = noise(samples + 500)
    whole = front_end(wave)
    assert whole.shape == (1, front_end.num_filters, front_end.num_frames)
    assert torch.equal(whole, front_end(wave[:samples]))
    short = front_end(wave[: samples // 2])
    assert torch.equal(short, front_end(torch.cat([wave[: samples // 2], torch.zeros(samples)])))
    assert not torch.equal(short, whole)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: VGGishMel(highest=9000), "must ascend, up to half of sample_rate=16000"),
        (lambda: VGGishMel(offset=0), "offset=0 must be above 0"),
        (lambda: LogSpectrogram(window=0.02), "a window of at most num_fft=512"),
        (lambda: LogSpectrogram(num_frames=0), "num_frames=0 must be at least 1"),
    ],
)
def test_wrong_numbers_are_refused(make: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
