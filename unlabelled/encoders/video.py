"""Encoders of video clips ``(batch, 3, time, height, width)``."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.video import r2plus1d_18

from unlabelled.encoders.base import Encoder


class R2Plus1D18(Encoder):
    """R(2+1)D-18 without its classifier: 31 300 125 parameters, 512 features.

    A clip of 30 frames at 112x112 gives maps ``(batch, 512, 4, 7, 7)``.

    Source: Tran et al. 2018 (arXiv:1711.11248), as in torchvision; docs/methods/selavi.md#encoders.
    """

    modality = "video"
    dim = 512

    def __init__(self) -> None:
        super().__init__()
        net = r2plus1d_18(weights=None)
        self.trunk = nn.Sequential(net.stem, net.layer1, net.layer2, net.layer3, net.layer4)

    def published_names(self) -> dict[str, str]:
        """Return torchvision's names."""
        return {"trunk.0": "stem", **{f"trunk.{i}": f"layer{i}" for i in range(1, 5)}}

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 3, T, H, W)`` to ``(batch, 512, T/8, H/16, W/16)``, rounded up."""
        maps: Tensor = self.trunk(inputs)
        return maps


def _block(in_dim: int, out_dim: int, time_stride: int) -> nn.Sequential:
    """Return a (2+1)D block: a spatial convolution of stride 2, then one over time."""
    return nn.Sequential(
        nn.Conv3d(in_dim, out_dim, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1), bias=False),
        nn.BatchNorm3d(out_dim),
        nn.ReLU(inplace=True),
        nn.Conv3d(out_dim, out_dim, (3, 1, 1), stride=(time_stride, 1, 1), padding=(1, 0, 0), bias=False),
        nn.BatchNorm3d(out_dim),
        nn.ReLU(inplace=True),
    )


class SmallVideoEncoder(Encoder):
    """A small (2+1)D network for demos and tests on a CPU.

    Args:
        width: Channels of the stem; the three blocks have 2, 4 and 8 times as many.
    """

    modality = "video"

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.dim = 8 * width
        self.trunk = nn.Sequential(
            nn.Conv3d(3, width, (1, 5, 5), stride=(1, 2, 2), padding=(0, 2, 2), bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
            _block(width, 2 * width, time_stride=1),
            _block(2 * width, 4 * width, time_stride=2),
            _block(4 * width, 8 * width, time_stride=2),
        )
        self.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 3, T, H, W)`` to ``(batch, D, T/4, H/16, W/16)``, rounded up."""
        maps: Tensor = self.trunk(inputs.contiguous(memory_format=torch.channels_last_3d))
        return maps
