"""VGG encoders of DMC, which return feature maps of images and of spectrograms."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torchvision.models import VGG, vgg16

from unlabelled.checkpoints import read_checkpoint
from unlabelled.encoders.base import Encoder

_POOL5 = 30  # index of the last pooling in torchvision's ``features``


class VGG16(Encoder):
    """Convolutions of VGG-16 without the last pooling: 16x16 maps of 512 channels at 256x256.

    Args:
        weights: Initial weights: a name of torchvision (``IMAGENET1K_V1``, downloaded unless cached) or a
            file with its ``state_dict``; ``null``: random weights.
        pool5: Keep the last pooling, 8x8 maps at 256x256.
        trainable: False freezes the weights, as in DMC with supervision from vision.

    Raises:
        FileNotFoundError: ``weights`` names a file that does not exist.

    Source: DTaoo/DMC, models/videoNet.py; docs/methods/dmc.md#encoders.
    """

    modality = "image"
    dim = 512

    def __init__(self, weights: str | None = None, pool5: bool = False, trainable: bool = True) -> None:
        super().__init__()
        layers = list(_torchvision_vgg16(weights).features)
        self.trunk = nn.Sequential(*(layers if pool5 else layers[:_POOL5]))
        self.requires_grad_(trainable)

    def published_names(self) -> dict[str, str]:
        """Return torchvision's names."""
        return {"trunk": "features"}

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 3, H, W)`` to ``(batch, 512, H/16, W/16)``; with ``pool5`` to ``H/32, W/32``."""
        maps: Tensor = self.trunk(inputs)
        return maps


def _torchvision_vgg16(weights: str | None) -> VGG:
    if weights is None or "." not in weights:
        return vgg16(weights=weights)
    if not Path(weights).is_file():
        raise FileNotFoundError(
            f"VGG16: there is no file {weights!r}; give weights the path of a state_dict of torchvision's "
            "vgg16, or the name IMAGENET1K_V1"
        )
    net = vgg16()
    net.load_state_dict(read_checkpoint(weights, name="VGG16"))
    return net


class VGGishMaps(Encoder):
    """VGGish-like network for log-mel spectrograms, 64x496: 8x62 maps of 512 channels.

    Six 3x3 convolutions with ReLU; three poolings that round up.

    Args:
        width: Channels of the first convolution; the last has 8 times as many.

    Source: DTaoo/DMC, models/audioNet.py, with axes (time, mel), here (mel, time);
        docs/methods/dmc.md#encoders.
    """

    modality = "audio"

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.dim = 8 * width
        self.trunk = nn.Sequential(
            *_block(1, width, convolutions=1),
            *_block(width, 2 * width, convolutions=1),
            *_block(2 * width, 4 * width, convolutions=2),
            *_block(4 * width, 8 * width, convolutions=2, pool=False),
        )

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 1, F, T)`` to ``(batch, D, F/8, T/8)``, rounded up."""
        maps: Tensor = self.trunk(inputs)
        return maps


def _block(in_dim: int, out_dim: int, convolutions: int, pool: bool = True) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before in [in_dim, *[out_dim] * (convolutions - 1)]:
        layers += [nn.Conv2d(before, out_dim, 3, padding=1), nn.ReLU(inplace=True)]
    return [*layers, nn.MaxPool2d(2, ceil_mode=True)] if pool else layers
