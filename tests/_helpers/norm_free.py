"""An encoder without BatchNorm, whose features do not depend on how a batch is spread over processes."""

from __future__ import annotations

from torch import Tensor, nn

from unlabelled.encoders import Encoder


class NormFreeEncoder(Encoder):
    """Two convolutions."""

    modality = "image"
    dim = 8

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.Tanh(), nn.Conv2d(4, 8, 3, 2), nn.Tanh())

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 3, H, W)`` to ``(batch, 8, H/4, W/4)``."""
        maps: Tensor = self.trunk(inputs)
        return maps
