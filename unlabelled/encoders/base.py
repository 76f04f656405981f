"""What every encoder gives: feature maps, and their mean."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Encoder(nn.Module, ABC):
    """Maps an input to features.

    Attributes:
        dim: D, number of channels of the feature maps and size of the pooled feature.
    """

    dim: int

    @abstractmethod
    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, channels, *size)`` to maps ``(batch, D, *positions)``."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, channels, *size)`` to pooled features ``(batch, D)``."""
        return self.feature_maps(inputs).flatten(2).mean(2)
