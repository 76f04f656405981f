"""The gated unit, a projection of features to another width."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GatedUnit(nn.Module):
    """A linear map with a gate computed from its output: ``h = W1 x + b1``, then ``h * sigmoid(W2 h + b2)``.

    Args:
        in_dim: Size of a feature.
        out_dim: Size of the result.

    Source: Miech, Laptev and Sivic 2018 (arXiv:1804.02516); Swetha5/Multi_Sinkhorn_Knopp,
    everything_at_once/model/utils/layers.py; docs/methods/sspc.md#token-encoders.
    """

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, out_dim)
        self.gate = nn.Linear(out_dim, out_dim)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(..., in_dim)`` to ``(..., out_dim)``, each feature separately."""
        hidden: Tensor = self.linear(inputs)
        return hidden * torch.sigmoid(self.gate(hidden))
