"""Encoders of log-mel spectrograms ``(batch, 1, filters, frames)``."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from unlabelled.encoders.base import Encoder
from unlabelled.encoders.image import resnet_parts, set_stride

_LAYERS = {9: [1, 1, 1, 1], 18: [2, 2, 2, 2]}


class AudioResNet(Encoder):
    """ResNet on a spectrogram as an image of one channel, without its classifier; 512 features.

    Args:
        depth: 9 (4 899 520 parameters; SeLaVi, GDT) or 18 (11 170 240; XDC).
        last_stride: Stride of the last stage; 1 for maps of twice as many rows and columns.

    Raises:
        ValueError: Another depth, or a stride other than 1 and 2.

    Source: facebookresearch/selavi, model.py; SeLaVi Table A.1 (depth 18); docs/methods/selavi.md#encoders.
    """

    modality = "audio"
    dim = 512

    def __init__(self, depth: int = 9, last_stride: int = 2) -> None:
        super().__init__()
        if depth not in _LAYERS:
            raise ValueError(f"AudioResNet: depth must be 9 or 18, got {depth}")
        net = ResNet(BasicBlock, _LAYERS[depth])
        set_stride(net.layer4, last_stride)
        conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(conv1.weight, mode="fan_out", nonlinearity="relu")
        self.trunk = nn.Sequential(
            conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4
        )

    def published_names(self) -> dict[str, str]:
        """Return torchvision's names."""
        return resnet_parts(4)

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 1, F, T)`` to ``(batch, 512, F/32, T/32)``, rounded up; ``last_stride: 1``: /16."""
        maps: Tensor = self.trunk(inputs)
        return maps


def _block(in_dim: int, out_dim: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_dim, out_dim, kernel, stride=2, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out_dim),
        nn.ReLU(inplace=True),
    )


class SmallAudioEncoder(Encoder):
    """A small convolutional network for demos and tests on a CPU.

    Args:
        width: Channels of the stem; the three blocks have 2, 4 and 8 times as many.
    """

    modality = "audio"

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.dim = 8 * width
        self.trunk = nn.Sequential(
            nn.BatchNorm2d(1),  # log-energies are far from unit scale
            _block(1, width, kernel=5),
            _block(width, 2 * width, kernel=3),
            _block(2 * width, 4 * width, kernel=3),
            _block(4 * width, 8 * width, kernel=3),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 1, F, T)`` to ``(batch, D, F/16, T/16)``, rounded up."""
        maps: Tensor = self.trunk(inputs.contiguous(memory_format=torch.channels_last))
        return maps
