"""AlexNet and the Sobel filter of DeepCluster and SeLa."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlabelled.encoders.base import Encoder

# (channels, kernel, stride, padding) of a convolution, None: pooling
_LAYERS = [(96, 11, 4, 2), None, (256, 5, 1, 2), None, (384, 3, 1, 1), (384, 3, 1, 1), (256, 3, 1, 1), None]
_SIDE = 6  # height and width of the maps that the fully connected layers take


class AlexNet(Encoder):
    """AlexNet with BatchNorm and without groups; 4096 features, the outputs of the last hidden layer.

    The fully connected layers take 6x6 maps, as for images of 224 pixels; other maps are average-pooled to
    this size.

    Args:
        dropout: Probability, before each of the fully connected layers.
        rectified: Whether the features are the outputs of the last ReLU; DeepCluster clusters its inputs.

    Source: facebookresearch/deepcluster, models/alexnet.py; yukimasano/self-label, models/alexnet.py ("big");
    docs/methods/selavi.md#deepcluster.
    """

    modality = "image"
    dim = 4096

    def __init__(self, dropout: float = 0.5, rectified: bool = True) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*_convolutions())
        self.hidden = nn.Sequential(
            nn.AdaptiveAvgPool2d(_SIDE),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(256 * _SIDE * _SIDE, self.dim),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(self.dim, self.dim),
            nn.ReLU(inplace=True) if rectified else nn.Identity(),
        )
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=0.01)
                nn.init.zeros_(part.bias)

    def published_names(self) -> dict[str, str]:
        """Return the names in facebookresearch/deepcluster, models/alexnet.py."""
        return {"trunk": "features", "hidden.3": "classifier.1", "hidden.6": "classifier.4"}

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 3, H, W)`` to ``(batch, 256, *positions)``, 6x6 of them for 224x224."""
        maps: Tensor = self.trunk(inputs)
        return maps

    def pool(self, maps: Tensor) -> Tensor:
        """Map ``(batch, 256, *positions)`` to features ``(batch, 4096)``."""
        features: Tensor = self.hidden(maps)
        return features


def _convolutions() -> list[nn.Module]:
    layers: list[nn.Module] = []
    before = 3
    for layer in _LAYERS:
        if layer is None:
            layers.append(nn.MaxPool2d(3, stride=2))
            continue
        channels, kernel, stride, padding = layer
        conv = nn.Conv2d(before, channels, kernel, stride, padding)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        layers += [conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        before = channels
    return layers


class Edges(Encoder):
    """Encoder of the edges of an image instead of its colours.

    The first channel is the gradient of the brightness (mean of the three colours) from left to right, the
    second from top to bottom (Sobel filters); the third is zero, which is equivalent to an encoder with two
    input channels.

    Args:
        encoder: Encoder of images.

    Source: facebookresearch/deepcluster, models/alexnet.py; docs/methods/selavi.md#deepcluster.
    """

    modality = "image"
    sobel: Tensor

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        if encoder.modality != self.modality:
            raise ValueError(f"Edges: the encoder is for {encoder.modality}, expected one for images")
        self.encoder, self.dim = encoder, encoder.dim
        across = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
        filters = torch.stack([across, across.T, torch.zeros(3, 3)])
        self.register_buffer("sobel", filters.unsqueeze(1), persistent=False)

    def published_names(self) -> dict[str, str]:
        """Return the names of the encoder's parts."""
        return {f"encoder.{own}": published for own, published in self.encoder.published_names().items()}

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 3, H, W)`` to the encoder's maps of its edges."""
        return self.encoder.feature_maps(F.conv2d(inputs.mean(1, keepdim=True), self.sobel, padding=1))

    def pool(self, maps: Tensor) -> Tensor:
        """Pool as the encoder does."""
        return self.encoder.pool(maps)
