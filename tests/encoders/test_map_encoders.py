"""Encoders that return maps: shapes and parameter counts (docs/methods/dmc.md#encoders), receptive fields."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import vgg16

from unlabelled.encoders import VGG16, Encoder, L3Audio, L3Vision, SmallVGG, VGGishMaps


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts() -> None:
    with torch.device("meta"):
        assert count(VGG16()) == 14_714_688
        assert count(VGGishMaps()) == 4_499_712  # VGGish's own six convolutions
        pairs = [(64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512)]
        rest = sum(9 * i * o + 3 * o for i, o in pairs)  # kernels, biases, BatchNorm
        assert count(L3Vision()) == 9 * 3 * 64 + 3 * 64 + rest
        assert count(L3Audio()) == 9 * 64 + 3 * 64 + rest


@pytest.mark.parametrize(
    ("encoder", "size", "maps"),
    [
        (VGG16, (3, 256, 256), (512, 16, 16)),
        (lambda: VGG16(pool5=True), (3, 256, 256), (512, 8, 8)),
        (VGGishMaps, (1, 64, 496), (512, 8, 62)),
        (VGGishMaps, (1, 64, 99), (512, 8, 13)),
        (L3Vision, (3, 224, 224), (512, 28, 28)),
        (L3Audio, (1, 257, 199), (512, 32, 24)),
        (lambda: SmallVGG(4), (3, 64, 80), (32, 8, 10)),
    ],
)
def test_shapes_of_maps(encoder: Callable[[], Encoder], size: tuple[int, ...], maps: tuple[int, ...]) -> None:
    with torch.device("meta"):
        network = encoder()
        assert network.feature_maps(torch.zeros(2, *size)).shape == (2, *maps)
    assert network.dim == maps[0]


def test_vgg16_is_torchvisions(tmp_path: Path) -> None:
    theirs = vgg16()
    torch.save(theirs.state_dict(), tmp_path / "vgg16.pth")
    images = torch.randn(1, 3, 64, 48)
    with torch.no_grad():
        ours = VGG16(str(tmp_path / "vgg16.pth"), pool5=True).feature_maps(images)
        torch.testing.assert_close(ours, theirs.features(images))
        without = VGG16(str(tmp_path / "vgg16.pth")).feature_maps(images)
        torch.testing.assert_close(ours, nn.functional.max_pool2d(without, 2))
    with pytest.raises(FileNotFoundError, match=r"there is no file 'none.pth'.*IMAGENET1K_V1"):
        VGG16("none.pth")


def test_a_frozen_vgg16_gets_no_gradient() -> None:
    frozen = VGG16(trainable=False)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert not frozen(torch.randn(1, 3, 32, 32)).requires_grad


@pytest.mark.parametrize(("encoder", "channels"), [(L3Vision, 3), (L3Audio, 1)])
def test_l3_pools_by_the_maximum(encoder: Callable[[int], Encoder], channels: int) -> None:
    network, inputs = encoder(4).eval(), torch.randn(2, channels, 24, 40)
    with torch.no_grad():
        maps = network.feature_maps(inputs)
        torch.testing.assert_close(network(inputs), maps.amax((2, 3)))
        torch.testing.assert_close(network(inputs), network.pool(maps))


def test_l3_divides_the_spectrogram() -> None:
    plain, scaled = L3Audio(4, scale=1.0).eval(), L3Audio(4).eval()
    scaled.load_state_dict(plain.state_dict())
    inputs = torch.randn(1, 1, 24, 40)
    with torch.no_grad():
        torch.testing.assert_close(scaled(5 * inputs), plain(inputs))


@pytest.mark.parametrize("encoder", [lambda: SmallVGG(4), VGG16, lambda: L3Vision(4)])
def test_maps_lie_over_the_image(encoder: Callable[[], Encoder]) -> None:
    """Receptive fields are centred on the pixels of their position."""
    torch.manual_seed(0)
    network = encoder().eval()
    image = torch.randn(1, 3, 256, 256, requires_grad=True)
    maps = network.feature_maps(image)
    middle = maps.shape[-1] // 2
    stride = 256 // maps.shape[-1]
    (seen,) = torch.autograd.grad(maps[0, :, middle, middle].sum(), image)
    for axis in (1, 2):
        where = seen[0].abs().sum((0, axis)).nonzero().flatten()
        before, after = middle * stride - int(where.min()), int(where.max()) - (middle * stride + stride - 1)
        assert abs(before - after) <= stride // 4  # the maximum may be anywhere in its window


@pytest.mark.parametrize(("context", "pixels"), [(0, 22), (1, 38), (2, 54)])
def test_receptive_field_of_small_vgg(context: int, pixels: int) -> None:
    network, image = SmallVGG(4, context).eval(), torch.randn(1, 3, 64, 128)
    changed = image.clone()
    changed[:, :, :, 111:] = 9.0
    with torch.no_grad():
        difference = (network.feature_maps(image) - network.feature_maps(changed)).abs().sum((0, 1, 2))
    # without context the receptive field of the position of pixels 96 to 103 is 89 to 110
    last = max(n for n in range(16) if 8 * n + 3.5 + pixels / 2 <= 110.5)
    assert (difference > 0).tolist() == [n > last for n in range(16)]


def test_a_negative_context_is_refused() -> None:
    with pytest.raises(ValueError, match="context=-1"):
        SmallVGG(4, -1)
