"""Base of all encoders, which return feature maps and their mean."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

MODALITY_NDIM = {"image": 4, "audio": 4, "video": 5}
"""Number of dimensions of a batch of each modality; with several crops of a sample there is one more."""


class Encoder(nn.Module, ABC):
    """Base of the encoders, which map an input to features.

    Attributes:
        modality: Key of :data:`MODALITY_NDIM`: the encoder's input in a batch, and its name in a method.
        dim: D, number of channels of the feature maps and size of the pooled feature.
    """

    modality: str
    dim: int

    def published_names(self) -> dict[str, str]:
        """Return the names that other code gives the parts of the network, by their names here.

        Files of weights with these names can be loaded, and exported files have them (docs/weights.md). Parts
        are named by the beginnings of their keys in ``state_dict``; those that are absent have one name.
        """
        return {}

    @abstractmethod
    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, channels, *size)`` to maps ``(batch, D, *positions)``."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, channels, *size)`` to pooled features ``(batch, D)``."""
        return self.pool(self.feature_maps(inputs))

    def pool(self, maps: Tensor) -> Tensor:
        """Map ``(batch, D, *positions)`` to features ``(batch, D)``: the mean over the positions."""
        return maps.flatten(2).mean(2)
