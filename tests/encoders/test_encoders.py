"""Encoders against the parameter counts and shapes of the reference."""

from __future__ import annotations

import pytest
import torch

from unlabelled.encoders import AudioResNet, Encoder, R2Plus1D18, SmallAudioEncoder, SmallVideoEncoder


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts() -> None:
    assert count(R2Plus1D18()) == 31_300_125
    assert count(AudioResNet(9)) == 4_899_520
    assert count(AudioResNet(18)) == 11_170_240


@pytest.mark.parametrize(
    ("size", "maps"), [((257, 199), (9, 7)), ((257, 99), (9, 4)), ((40, 99), (2, 4)), ((40, 100), (2, 4))]
)
def test_audio_maps(size: tuple[int, int], maps: tuple[int, int]) -> None:
    encoder = AudioResNet(9).eval()
    with torch.no_grad():
        assert encoder.feature_maps(torch.zeros(1, 1, *size)).shape == (1, 512, *maps)


def test_video_maps() -> None:
    encoder = R2Plus1D18().eval()
    with torch.no_grad():
        assert encoder.feature_maps(torch.zeros(1, 3, 30, 112, 112)).shape == (1, 512, 4, 7, 7)


def test_another_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="depth must be 9 or 18, got 34"):
        AudioResNet(34)


@pytest.mark.parametrize(
    ("encoder", "shape"),
    [
        (SmallVideoEncoder(4), (3, 8, 40, 40)),
        (SmallVideoEncoder(4), (3, 5, 33, 47)),
        (SmallAudioEncoder(4), (1, 64, 99)),
        (SmallAudioEncoder(4), (1, 257, 199)),
    ],
)
def test_pooled_features_are_the_mean_of_the_maps(encoder: Encoder, shape: tuple[int, ...]) -> None:
    encoder.eval()
    inputs = torch.randn(2, *shape)
    with torch.no_grad():
        pooled, maps = encoder(inputs), encoder.feature_maps(inputs)
    assert pooled.shape == (2, encoder.dim)
    torch.testing.assert_close(pooled, maps.flatten(2).mean(2))


def test_one_sample_keeps_its_batch_dimension() -> None:
    with torch.no_grad():
        assert SmallAudioEncoder(4).eval()(torch.randn(1, 1, 64, 99)).shape == (1, 32)
