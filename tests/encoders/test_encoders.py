"""Encoders: numbers of parameters and operations, shapes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import resnet18

from unlabelled.encoders import (
    MODALITY_NDIM,
    AudioResNet,
    Encoder,
    ImageResNet,
    R2Plus1D18,
    ResNet3D,
    SmallAudioEncoder,
    SmallImageEncoder,
    SmallVideoEncoder,
)


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts() -> None:
    with torch.device("meta"):
        assert count(R2Plus1D18()) == 31_300_125
        assert count(AudioResNet(9)) == 4_899_520
        assert count(AudioResNet(18)) == 11_170_240
        assert count(ImageResNet(18)) == 11_176_512
        assert count(ImageResNet(18, small_images=True)) == 11_168_832
        assert count(ImageResNet(50)) == 23_508_032
        assert count(ResNet3D(18)) == 20_023_872
        assert count(ResNet3D(50)) == 31_634_496


@pytest.mark.parametrize(
    ("depth", "size", "gmacs"),
    [
        (18, (8, 224, 224), 20.06),
        (18, (16, 112, 112), 10.96),
        (50, (8, 224, 224), 41.74),
        (50, (16, 224, 224), 83.48),
        (50, (8, 256, 256), 54.52),
    ],
)
def test_operations_of_the_slow_path(depth: int, size: tuple[int, int, int], gmacs: float) -> None:
    """Counts of docs/methods/sce.md#architectures, which depend on each stride and temporal kernel."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        ResNet3D(depth)(torch.zeros(1, 3, *size))
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmacs, abs=0.005)


@pytest.mark.parametrize(
    ("size", "maps"), [((257, 199), (9, 7)), ((257, 99), (9, 4)), ((40, 99), (2, 4)), ((40, 100), (2, 4))]
)
def test_audio_maps(size: tuple[int, int], maps: tuple[int, int]) -> None:
    encoder = AudioResNet(9).eval()
    with torch.no_grad():
        assert encoder.feature_maps(torch.zeros(1, 1, *size)).shape == (1, 512, *maps)


@pytest.mark.parametrize(
    ("encoder", "size", "maps"),
    [
        (R2Plus1D18, (30, 112, 112), (512, 4, 7, 7)),
        (ResNet3D, (8, 224, 224), (512, 8, 7, 7)),
        (lambda: ResNet3D(50), (5, 112, 97), (2048, 5, 4, 4)),
        (ImageResNet, (224, 224), (512, 7, 7)),
        (lambda: ImageResNet(50), (65, 64), (2048, 3, 2)),
        (lambda: ImageResNet(18, small_images=True), (32, 32), (512, 4, 4)),
        (lambda: ImageResNet(50, small_images=True), (64, 33), (2048, 8, 5)),
        (lambda: SmallImageEncoder(4), (32, 29), (32, 4, 4)),
    ],
)
def test_shapes_of_maps(encoder: Callable[[], Encoder], size: tuple[int, ...], maps: tuple[int, ...]) -> None:
    with torch.device("meta"):
        network = encoder()
        assert network.feature_maps(torch.zeros(2, 3, *size)).shape == (2, *maps)
    assert network.dim == maps[0]


@pytest.mark.parametrize(
    ("encoder", "depths"), [(AudioResNet, "9 or 18"), (ImageResNet, "18 or 50"), (ResNet3D, "18 or 50")]
)
def test_another_depth_is_refused(encoder: type[AudioResNet], depths: str) -> None:
    with pytest.raises(ValueError, match=f"{encoder.__name__}: depth must be {depths}, got 34"):
        encoder(34)


def inputs_of(modality: str) -> torch.Tensor:
    channels = 1 if modality == "audio" else 3
    return torch.randn(2, channels, *[9, 33, 47][-(MODALITY_NDIM[modality] - 2) :])


@pytest.mark.parametrize(
    "encoder", [SmallVideoEncoder, SmallAudioEncoder, SmallImageEncoder, ResNet3D, ImageResNet, AudioResNet]
)
def test_pooled_features_are_the_mean_of_the_maps(encoder: Callable[[], Encoder]) -> None:
    network = encoder().eval()
    inputs = inputs_of(network.modality)
    with torch.no_grad():
        pooled, maps = network(inputs), network.feature_maps(inputs)
    assert pooled.shape == (2, network.dim)
    torch.testing.assert_close(pooled, maps.mean(tuple(range(2, maps.ndim))))


def test_one_sample_keeps_its_batch_dimension() -> None:
    with torch.no_grad():
        assert SmallAudioEncoder(4).eval()(torch.randn(1, 1, 64, 99)).shape == (1, 32)


def test_image_resnet_is_torchvisions() -> None:
    ours, theirs = ImageResNet(18).eval(), resnet18().eval()
    theirs.fc = nn.Identity()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    inputs = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(inputs), theirs(inputs), atol=1e-4, rtol=1e-4)


def test_image_weights_lie_with_channels_last() -> None:
    for encoder in (ImageResNet(18, small_images=True), SmallImageEncoder(4)):
        kernels = [parameter for parameter in encoder.parameters() if parameter.ndim == 4]
        assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)
        assert encoder.feature_maps(torch.zeros(2, 3, 32, 32)).is_contiguous(
            memory_format=torch.channels_last
        )


@pytest.mark.parametrize(("depth", "blocks"), [(18, 8), (50, 16)])
def test_residual_branches_of_the_slow_path_start_as_zero(depth: int, blocks: int) -> None:
    norms = [module for module in ResNet3D(depth).modules() if isinstance(module, nn.BatchNorm3d)]
    sums = [int(norm.weight.count_nonzero()) for norm in norms]
    assert sums.count(0) == blocks
    assert all(number in (0, norm.num_features) for number, norm in zip(sums, norms, strict=True))


def test_slow_path_starts_as_stem_and_shortcuts() -> None:
    """Frames do not mix before the first step, since only the (zero) branches see neighbours."""
    encoder = ResNet3D(18).eval()
    inputs = torch.randn(1, 3, 4, 64, 64)
    with torch.no_grad():
        whole = encoder.feature_maps(inputs)
        frames = torch.cat([encoder.feature_maps(inputs[:, :, t : t + 1]) for t in range(4)], 2)
    torch.testing.assert_close(whole, frames, atol=1e-5, rtol=1e-4)


def test_kernels_of_the_slow_path_have_kaimings_spread() -> None:
    torch.manual_seed(0)
    for name, kernel in ResNet3D(18).named_parameters():
        if kernel.ndim == 5 and kernel.numel() > 10_000:
            fan_out = kernel.numel() / kernel.shape[1]
            assert float(kernel.detach().std()) == pytest.approx((2 / fan_out) ** 0.5, rel=0.03), name
