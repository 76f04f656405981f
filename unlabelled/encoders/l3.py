"""The visual and the audio network of L3-Net: eight convolutions, maximum over all positions."""

from __future__ import annotations

from torch import Tensor, nn

from unlabelled.encoders.base import Encoder


class _L3Subnet(Encoder):
    """Four blocks of two 3x3 convolutions with BatchNorm and ReLU; a 2x2 pooling after the first three."""

    def __init__(self, in_dim: int, width: int) -> None:
        super().__init__()
        self.dim = 8 * width
        layers: list[nn.Module] = []
        before = in_dim
        for block in range(4):
            after = width * 2**block
            layers += [*_convolution(before, after), *_convolution(after, after)]
            if block < 3:
                layers.append(nn.MaxPool2d(2))
            before = after
        self.trunk = nn.Sequential(*layers)

    def published_names(self) -> dict[str, str]:
        """Return the names in torchopenl3, torchopenl3/models.py."""
        names = {}
        for number, position in enumerate((0, 3, 7, 10, 14, 17, 21), 1):  # of the convolutions
            names[f"trunk.{position}"] = f"conv2d_{number}"
            names[f"trunk.{position + 1}"] = f"batch_normalization_{number + 1}"  # the first is of the input
        names["trunk.24"] = f"{self.modality}_embedding_layer"  # its BatchNorm is not in torchopenl3
        return names

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, channels, H, W)`` to ``(batch, D, H/8, W/8)``, rounded down."""
        maps: Tensor = self.trunk(inputs)
        return maps

    def pool(self, maps: Tensor) -> Tensor:
        """Map ``(batch, D, *positions)`` to the maximum over the positions, ``(batch, D)``."""
        return maps.flatten(2).amax(2)


class L3Vision(_L3Subnet):
    """Visual network of L3-Net for one frame: 28x28 maps of 512 channels at 224x224.

    Args:
        width: Channels of the first block; the last has 8 times as many.

    Source: Arandjelovic and Zisserman 2017; marl/l3embedding, l3embedding/vision_model.py;
        docs/methods/dmc.md#encoders.
    """

    modality = "image"

    def __init__(self, width: int = 64) -> None:
        super().__init__(3, width)


class L3Audio(_L3Subnet):
    """Audio network of L3-Net for a log-spectrogram of one second, 257x199: 32x24 maps of 512 channels.

    Args:
        width: Channels of the first block; the last has 8 times as many.
        scale: Divides the spectrogram first; the network has no BatchNorm on its input.

    Source: Arandjelovic and Zisserman 2017; marl/l3embedding, l3embedding/audio_model.py;
        docs/methods/dmc.md#encoders.
    """

    modality = "audio"

    def __init__(self, width: int = 64, scale: float = 5.0) -> None:
        super().__init__(1, width)
        self.scale = scale

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 1, F, T)`` to ``(batch, D, F/8, T/8)``, rounded down."""
        return super().feature_maps(inputs / self.scale)


def _convolution(in_dim: int, out_dim: int) -> list[nn.Module]:
    convolution = nn.Conv2d(in_dim, out_dim, 3, padding=1)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return [convolution, nn.BatchNorm2d(out_dim), nn.ReLU(inplace=True)]
