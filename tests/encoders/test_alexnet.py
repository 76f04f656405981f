"""AlexNet against the layers of the published ones, and edges against a filter that was written out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unlabelled.encoders import AlexNet, Edges, SmallAudioEncoder, SmallImageEncoder


def test_parameter_counts_and_shapes() -> None:
    convolutions = [(3, 96, 11), (96, 256, 5), (256, 384, 3), (384, 384, 3), (384, 256, 3)]
    kernels = sum(before * after * side**2 + 3 * after for before, after, side in convolutions)
    with torch.device("meta"):
        network = AlexNet()
        assert sum(one.numel() for one in network.parameters()) == kernels + 9216 * 4096 + 4096**2 + 2 * 4096
        assert network.feature_maps(torch.zeros(2, 3, 224, 224)).shape == (2, 256, 6, 6)
        for size in (224, 96, 160):  # other sizes have other maps, but features as many
            assert network(torch.zeros(2, 3, size, size)).shape == (2, network.dim)


@pytest.mark.parametrize("rectified", [True, False])
def test_features_are_those_of_the_fully_connected_layers(rectified: bool) -> None:
    torch.manual_seed(0)
    network = AlexNet(rectified=rectified).eval()
    maps = torch.randn(2, 256, 6, 6)
    first, second = (part for part in network.hidden if isinstance(part, nn.Linear))
    with torch.no_grad():
        expected = second(first(maps.flatten(1)).relu())
        torch.testing.assert_close(network.pool(maps), expected.relu() if rectified else expected)
    assert first.weight.std().item() == pytest.approx(0.01, rel=0.01)
    assert not first.bias.any()


def test_edges_are_sobels_of_the_mean_colour() -> None:
    seen: list[torch.Tensor] = []
    inner = SmallImageEncoder(width=2).eval()
    inner.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    inner.trunk.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network, images = Edges(inner).eval(), torch.randn(2, 3, 7, 9)
    features = network(images)
    assert features.shape == (2, network.dim)
    (edges,) = seen
    grey = torch.nn.functional.pad(images.mean(1), [1, 1, 1, 1])
    for y, x in ((0, 0), (3, 4), (6, 8)):
        window = grey[:, y : y + 3, x : x + 3]
        smooth = torch.tensor([1.0, 2.0, 1.0])
        across = (window[:, :, 0] - window[:, :, 2]) @ smooth
        down = (window[:, 0] - window[:, 2]) @ smooth
        torch.testing.assert_close(edges[:, :, y, x], torch.stack([across, down, torch.zeros(2)], 1))


def test_edges_learn_nothing_of_the_empty_channel_and_save_no_filter() -> None:
    network = Edges(SmallImageEncoder(width=2))
    network(torch.randn(4, 3, 16, 16)).square().sum().backward()
    gradient = next(network.parameters()).grad
    assert gradient is not None
    assert not gradient[:, 2].any()
    assert gradient[:, :2].any()
    assert not any("sobel" in name for name in network.state_dict())


def test_edges_are_of_images() -> None:
    with pytest.raises(ValueError, match="Edges: the encoder is for audio"):
        Edges(SmallAudioEncoder(width=2))
