"""Log-mel spectrograms against python_speech_features, see docs/methods/selavi.md#worked-examples."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from unlabelled.transforms import LogMel, VGGishMel


def reference_wave(rate: int = 24000, seconds: float = 1.0) -> torch.Tensor:
    t = torch.arange(round(rate * seconds), dtype=torch.float64) / rate
    wave = 10000 * (2 * math.pi * 440 * t).sin() + 3000 * (2 * math.pi * 3000 * t).sin()
    return wave.round() / 32768


def test_257_filters_match_the_reference() -> None:
    spectrogram = LogMel(num_filters=257, num_frames=99)(reference_wave())[0].double()
    assert spectrogram.shape == (257, 99)
    assert spectrogram.min() == pytest.approx(-36.043652, abs=2e-5)
    assert spectrogram.max() == pytest.approx(19.442091, abs=2e-5)
    assert spectrogram.mean() == pytest.approx(3.984895, abs=2e-5)
    assert (spectrogram < -36).all(1).sum() == 38
    expected = {
        1: (11.412987, 10.613188, 11.784260),
        100: (7.680199, 9.962176, 10.631039),
        256: (10.034730, 9.597697, 9.878650),
    }
    for row, values in expected.items():
        assert spectrogram[row, [0, 50, 98]].tolist() == pytest.approx(values, abs=2e-5)


def test_40_filters_match_the_reference() -> None:
    spectrogram = LogMel(num_filters=40, num_frames=99)(reference_wave())[0].double()
    assert spectrogram.min() == pytest.approx(9.412870, abs=2e-5)
    assert spectrogram.max() == pytest.approx(19.611176, abs=2e-5)
    assert spectrogram.mean() == pytest.approx(13.168589, abs=2e-5)
    assert spectrogram[0, [0, 50, 98]].tolist() == pytest.approx((12.684230, 12.834984, 11.858953), abs=2e-5)
    assert spectrogram[20, [0, 50, 98]].tolist() == pytest.approx((13.382997, 13.626146, 13.592535), abs=2e-5)


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({"num_filters": 257, "num_frames": 199}, 2.0),
        ({"num_filters": 257, "num_frames": 199, "window": 0.01, "hop": 0.005}, 1.0),
        ({"num_filters": 257, "num_frames": 99}, 1.0),
        ({"num_filters": 40, "num_frames": 100}, 1.01),
    ],
)
@pytest.mark.parametrize("rate", [16000, 24000, 48000])
def test_published_shapes_and_their_seconds(options: dict[str, Any], seconds: float, rate: int) -> None:
    log_mel = LogMel(sample_rate=rate, **options)
    assert log_mel.seconds == pytest.approx(seconds)
    spectrogram = log_mel(torch.rand(round(log_mel.seconds * rate)) - 0.5)
    assert spectrogram.shape == (1, options["num_filters"], options["num_frames"])
    assert spectrogram.dtype == torch.float32


def test_empty_filters_by_sample_rate() -> None:
    counts = {
        rate: int((LogMel(rate, 257, 99).filters.sum(0) == 0).sum()) for rate in (16000, 24000, 44100, 48000)
    }
    assert counts == {16000: 26, 24000: 38, 44100: 54, 48000: 56}
    assert (LogMel(24000, 40, 99).filters.sum(0) > 0).all()


def test_volume_on_the_spectrogram_equals_volume_on_the_waveform() -> None:
    log_mel, wave = LogMel(num_filters=257, num_frames=99), reference_wave()
    spectrogram = log_mel(wave)
    louder = log_mel.change_volume(spectrogram, 1.1)
    torch.testing.assert_close(louder, log_mel(wave * 1.1), atol=1e-4, rtol=0)
    assert (louder - spectrogram)[0, 100, 0] == pytest.approx(0.190620, abs=1e-5)
    assert (louder - spectrogram)[0, 0, 0] == 0  # a filter without energy


def test_silence_is_the_floor_however_it_comes_about() -> None:
    log_mel = LogMel(num_filters=257, num_frames=99)
    silence = log_mel(torch.zeros(24000))
    assert silence.unique().tolist() == pytest.approx([-36.043653], abs=1e-5)
    assert torch.equal(log_mel.change_volume(log_mel(reference_wave()), 0.0), silence)


def test_normalisation_and_volume_commute() -> None:
    plain, scaled = LogMel(num_filters=40), LogMel(num_filters=40, mean=1.93, std=17.89)
    wave = reference_wave(seconds=2.0)
    torch.testing.assert_close(scaled(wave), (plain(wave) - 1.93) / 17.89)
    expected = (plain.change_volume(plain(wave), 0.5) - 1.93) / 17.89
    torch.testing.assert_close(scaled.change_volume(scaled(wave), 0.5), expected, atol=1e-5, rtol=0)


def test_short_waveforms_are_padded_and_long_ones_cut() -> None:
    log_mel, wave = LogMel(num_filters=40, num_frames=99), reference_wave(seconds=1.5)
    assert torch.equal(log_mel(wave), log_mel(wave[:24000]))
    padded = log_mel(wave[:12000])
    assert padded.shape == (1, 40, 99)
    assert padded[0, :, -1].unique().tolist() == pytest.approx([-36.043653], abs=1e-5)


def test_a_window_longer_than_the_transform_is_refused() -> None:
    with pytest.raises(ValueError, match="num_fft=1024"):
        LogMel(sample_rate=96000)


def test_relative_to_the_level_of_the_clip_a_spectrogram_does_not_depend_on_the_volume() -> None:
    log_mel, wave = LogMel(num_filters=257, num_frames=99, level="clip"), reference_wave()
    wave[12000:] = 0  # half of the clip has no energy
    spectrogram = log_mel(wave)
    for factor in (10.0, 0.1, 0.001):
        torch.testing.assert_close(log_mel(wave * factor), spectrogram, atol=1e-4, rtol=0)
        assert torch.equal(log_mel.change_volume(spectrogram, factor), spectrogram)
    plain = LogMel(num_filters=257, num_frames=99)(wave)
    (shift,) = (plain - spectrogram)[(spectrogram > -9.9) & (plain > -36)].unique().round(decimals=3).unique()
    assert (spectrogram.min(), shift) == (-10, pytest.approx(plain[plain > -36].mean().item(), abs=1e-3))
    silence = log_mel(torch.zeros(24000))
    assert silence.unique().tolist() == [-10]
    assert torch.equal(log_mel.change_volume(spectrogram, 0.0), silence)
    with pytest.raises(ValueError, match="level is 'track', expected absolute or clip"):
        LogMel(level="track")


@pytest.mark.parametrize("log_mel", [LogMel(num_filters=257, num_frames=99), VGGishMel(num_frames=98)])
def test_float32_is_close_to_float64(log_mel: LogMel | VGGishMel) -> None:
    rate = log_mel.sample_rate
    noise = torch.randn(rate, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    walk = noise.cumsum(0) / noise.cumsum(0).abs().max()  # high frequencies are 80 dB below the low ones
    for wave in (walk, walk * 1e-4, reference_wave(rate), torch.zeros(rate, dtype=torch.float64)):
        torch.testing.assert_close(log_mel(wave.float()), log_mel(wave), atol=0.01, rtol=0)
