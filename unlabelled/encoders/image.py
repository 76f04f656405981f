"""Encoders of images ``(batch, 3, height, width)``."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from unlabelled.encoders.base import Encoder

_BLOCKS = {18: (BasicBlock, [2, 2, 2, 2]), 50: (Bottleneck, [3, 4, 6, 3])}


class ImageResNet(Encoder):
    """ResNet without its classifier; 512 (depth 18) or 2048 features (depth 50).

    Args:
        depth: 18 (11 176 512 parameters) or 50 (23 508 032).
        small_images: A 3x3 stem of stride 1 and no max-pooling, for images of 32 to 96 pixels (depth 18:
            11 168 832 parameters).
        last_stride: Stride of the last stage; 1 for maps of twice as many rows and columns.

    Raises:
        ValueError: Another depth, or a stride other than 1 and 2.

    Source: He et al. 2016, as in torchvision; SCE appendix D.1; docs/methods/sce.md#architectures.
    """

    modality = "image"

    def __init__(self, depth: int = 18, small_images: bool = False, last_stride: int = 2) -> None:
        super().__init__()
        if depth not in _BLOCKS:
            raise ValueError(f"ImageResNet: depth must be 18 or 50, got {depth}")
        block, layers = _BLOCKS[depth]
        net = ResNet(block, layers)
        set_stride(net.layer4, last_stride)
        self.dim = 512 * block.expansion
        stem = _small_stem() if small_images else [net.conv1, net.bn1, net.relu, net.maxpool]
        self.trunk = nn.Sequential(*stem, net.layer1, net.layer2, net.layer3, net.layer4)
        self._parts = resnet_parts(len(stem))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def published_names(self) -> dict[str, str]:
        """Return torchvision's names."""
        return self._parts

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 3, H, W)`` to ``(batch, D, H/32, W/32)``, rounded up; small images ``H/8, W/8``.

        With ``last_stride: 1``, ``H/16, W/16`` and ``H/4, W/4``.
        """
        maps: Tensor = self.trunk(inputs.contiguous(memory_format=torch.channels_last))
        return maps


def resnet_parts(stem: int) -> dict[str, str]:
    """Return torchvision's names of the parts of a ResNet, of which the first ``stem`` layers are the stem.

    >>> resnet_parts(4)["trunk.4"]
    'layer1'
    """
    stages = {f"trunk.{stem + i}": f"layer{i + 1}" for i in range(4)}
    return {"trunk.0": "conv1", "trunk.1": "bn1", **stages}


def set_stride(stage: nn.Sequential, stride: int) -> None:
    """Set the stride of a stage of a ResNet.

    Raises:
        ValueError: It is neither 1 nor 2.
    """
    if stride not in (1, 2):
        raise ValueError(f"ResNet: last_stride={stride} must be 1 or 2")
    for part in stage[0].modules():
        if isinstance(part, nn.Conv2d) and part.stride == (2, 2):
            part.stride = (stride, stride)


def _small_stem() -> list[nn.Module]:
    conv = nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return [conv, nn.BatchNorm2d(64), nn.ReLU(inplace=True)]


def _block(in_dim: int, out_dim: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_dim, out_dim, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out_dim),
        nn.ReLU(inplace=True),
    )


class SmallImageEncoder(Encoder):
    """A small convolutional network for demos and tests on a CPU, for images of about 32 pixels.

    Args:
        width: Channels of the stem; the three blocks have 2, 4 and 8 times as many.
    """

    modality = "image"

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.dim = 8 * width
        self.trunk = nn.Sequential(
            _block(3, width, stride=1),
            _block(width, 2 * width, stride=2),
            _block(2 * width, 4 * width, stride=2),
            _block(4 * width, 8 * width, stride=2),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 3, H, W)`` to ``(batch, D, H/8, W/8)``, rounded up."""
        maps: Tensor = self.trunk(inputs.contiguous(memory_format=torch.channels_last))
        return maps


class SmallVGG(Encoder):
    """A small convolutional network with small, centred receptive fields, for demos and tests on a CPU.

    Three 3x3 convolutions, each followed by 2x2 max-pooling, and a 1x1 convolution, all with BatchNorm and
    ReLU. A position of the maps covers 8x8 pixels; its receptive field is the 22x22 pixels around them, so
    that it contains no information about other parts of the image. With strided convolutions instead of
    pooling the receptive fields would not be centred.

    Args:
        width: Channels of the first convolution; the others have 2, 4 and 8 times as many.
        context: Number of further 3x3 convolutions before the last one; each widens the receptive field by
            16 pixels, for objects whose parts do not show what they are.

    Raises:
        ValueError: ``context`` is negative.
    """

    modality = "image"

    def __init__(self, width: int = 16, context: int = 0) -> None:
        super().__init__()
        if context < 0:
            raise ValueError(f"SmallVGG: context={context} must be at least 0")
        self.dim = 8 * width
        self.trunk = nn.Sequential(
            _block(3, width, stride=1),
            nn.MaxPool2d(2),
            _block(width, 2 * width, stride=1),
            nn.MaxPool2d(2),
            _block(2 * width, 4 * width, stride=1),
            nn.MaxPool2d(2),
            *(_block(4 * width, 4 * width, stride=1) for _ in range(context)),
            nn.Conv2d(4 * width, 8 * width, kernel_size=1, bias=False),
            nn.BatchNorm2d(8 * width),
            nn.ReLU(inplace=True),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 3, H, W)`` to ``(batch, D, H/8, W/8)``, rounded down."""
        maps: Tensor = self.trunk(inputs.contiguous(memory_format=torch.channels_last))
        return maps
