"""Base of all encoders, which return feature maps and their mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
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

    def compile(self, *args: Any, **options: Any) -> None:
        """Compile :meth:`feature_maps`, by options of ``torch.compile``, as methods call it by itself too."""
        self.feature_maps = torch.compile(self.feature_maps, *args, **options)  # type: ignore[method-assign]

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without a compiled function, which belongs to this object alone."""
        state: dict[str, Any] = super().__getstate__()  # type: ignore[no-untyped-call]
        return {name: value for name, value in state.items() if name != "feature_maps"}

    @abstractmethod
    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, channels, *size)`` to maps ``(batch, D, *positions)``."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, channels, *size)`` to pooled features ``(batch, D)``."""
        return self.pool(self.feature_maps(inputs))

    def pool(self, maps: Tensor) -> Tensor:
        """Map ``(batch, D, *positions)`` to features ``(batch, D)``: the mean over the positions."""
        return maps.flatten(2).mean(2)
