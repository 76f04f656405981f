"""Encoder of video clips: the slow pathway, a 3D ResNet without stride or pooling in time."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from unlabelled.encoders.base import Encoder


def _conv(in_dim: int, out_dim: int, time: int, space: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution of ``time x space x space`` with spatial ``stride``, and BatchNorm."""
    padding = (time // 2, space // 2, space // 2)
    conv = nn.Conv3d(in_dim, out_dim, (time, space, space), (1, stride, stride), padding, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm3d(out_dim))


def _basic(in_dim: int, dim: int, time: int, stride: int) -> nn.Sequential:
    """Return two 3x3 convolutions; the first extends over ``time`` frames and has the stride."""
    return nn.Sequential(
        _conv(in_dim, dim, time, 3, stride),
        nn.ReLU(inplace=True),
        _conv(dim, dim, 1, 3),
    )


def _bottleneck(in_dim: int, dim: int, time: int, stride: int) -> nn.Sequential:
    """Return 1x1, 3x3 and 1x1 convolutions; the first covers ``time`` frames, the second has the stride."""
    return nn.Sequential(
        _conv(in_dim, dim, time, 1),
        nn.ReLU(inplace=True),
        _conv(dim, dim, 1, 3, stride),
        nn.ReLU(inplace=True),
        _conv(dim, 4 * dim, 1, 1),
    )


class _Residual(nn.Module):
    """``relu(shortcut(x) + branch(x))``; the branch starts as zero, so the block starts as its shortcut."""

    def __init__(self, in_dim: int, out_dim: int, stride: int, branch: nn.Sequential) -> None:
        super().__init__()
        same = in_dim == out_dim and stride == 1
        self.shortcut = nn.Identity() if same else _conv(in_dim, out_dim, 1, 1, stride)
        self.branch = branch
        self.relu = nn.ReLU(inplace=True)
        nn.init.zeros_(branch[-1].get_parameter("1.weight"))  # of the last BatchNorm

    def forward(self, inputs: Tensor) -> Tensor:
        sums: Tensor = self.relu(self.branch(inputs) + self.shortcut(inputs))
        return sums


_Branch = Callable[[int, int, int, int], nn.Sequential]


def _stage(
    branch: _Branch, count: int, in_dim: int, dim: int, out_dim: int, time: int, stride: int
) -> nn.Module:
    """Return ``count`` blocks of ``out_dim`` channels, ``dim`` inside; the first has the stride."""
    first = _Residual(in_dim, out_dim, stride, branch(in_dim, dim, time, stride))
    others = [_Residual(out_dim, out_dim, 1, branch(out_dim, dim, time, 1)) for _ in range(count - 1)]
    return nn.Sequential(first, *others)


def _dilate(stage: nn.Module, dilation: int) -> None:
    """Set the spatial dilation of the 3x3 convolutions of a stage; their maps keep their size."""
    for part in stage.modules():
        if isinstance(part, nn.Conv3d) and part.kernel_size[1:] == (3, 3):
            part.dilation = (1, dilation, dilation)
            part.padding = (part.kernel_size[0] // 2, dilation, dilation)


_DEPTHS: dict[int, tuple[_Branch, tuple[int, int, int, int], int]] = {
    18: (_basic, (2, 2, 2, 2), 1),
    50: (_bottleneck, (3, 4, 6, 3), 4),
}


class ResNet3D(Encoder):
    """The slow pathway of SlowFast, without its classifier; 512 (depth 18) or 2048 features (depth 50).

    Only the first convolutions of the blocks of the last two stages extend over neighbouring frames.

    Args:
        depth: 18 (20 023 872 parameters) or 50 (31 634 496).
        last_stride: Spatial stride of the last stage; 1 for maps of twice as many rows and columns.
        last_dilation: Spatial dilation of the 3x3 convolutions of the last stage; 2 keeps their field of view
            with ``last_stride: 1``.

    Raises:
        ValueError: Another depth, a stride other than 1 and 2, or a dilation below 1.

    Source: Feichtenhofer et al. 2019 (arXiv:1812.03982); SCE Table 23; docs/methods/sce.md#architectures.
    """

    modality = "video"

    def __init__(self, depth: int = 18, last_stride: int = 2, last_dilation: int = 1) -> None:
        super().__init__()
        if depth not in _DEPTHS:
            raise ValueError(f"ResNet3D: depth must be 18 or 50, got {depth}")
        if last_stride not in (1, 2) or last_dilation < 1:
            raise ValueError(
                f"ResNet3D: last_stride={last_stride} must be 1 or 2, and last_dilation={last_dilation} at "
                "least 1"
            )
        branch, (n2, n3, n4, n5), widening = _DEPTHS[depth]
        w2, w3, w4, w5 = (widening * dim for dim in (64, 128, 256, 512))
        self.dim, self._blocks = w5, (n2, n3, n4, n5)
        self.trunk = nn.Sequential(
            _conv(3, 64, time=1, space=7, stride=2),
            nn.ReLU(inplace=True),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
            _stage(branch, n2, 64, 64, w2, time=1, stride=1),
            _stage(branch, n3, w2, 128, w3, time=1, stride=2),
            _stage(branch, n4, w3, 256, w4, time=3, stride=2),
            _stage(branch, n5, w4, 512, w5, time=3, stride=last_stride),
        )
        _dilate(self.trunk[-1], last_dilation)

    def published_names(self) -> dict[str, str]:
        """Return pytorchvideo's names."""
        names = {"trunk.0.0": "blocks.0.conv", "trunk.0.1": "blocks.0.norm"}
        for stage, count in enumerate(self._blocks):
            for block in range(count):
                own, published = f"trunk.{3 + stage}.{block}", f"blocks.{1 + stage}.res_blocks.{block}"
                names |= {f"{own}.shortcut.0": f"{published}.branch1_conv"}
                names |= {f"{own}.shortcut.1": f"{published}.branch1_norm"}
                for position, letter in ((0, "a"), (2, "b"), (4, "c")):  # ReLU between them
                    names |= {f"{own}.branch.{position}.0": f"{published}.branch2.conv_{letter}"}
                    names |= {f"{own}.branch.{position}.1": f"{published}.branch2.norm_{letter}"}
        return names

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 3, T, H, W)`` to ``(batch, D, T, H/32, W/32)``, rounded up.

        With ``last_stride: 1``, ``(batch, D, T, H/16, W/16)``.
        """
        maps: Tensor = self.trunk(inputs)
        return maps
