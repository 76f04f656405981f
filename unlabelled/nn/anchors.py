"""Learnable anchors, to which the similarities of a sample are measured."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class AnchorBank(nn.Module):
    """K anchors, initialised as i.i.d. N(0, 1) rows and normalised at each use.

    Args:
        num_anchors: K.
        dim: D.

    Attributes:
        weight: ``(K, D)``, not normalised.

    Raises:
        ValueError: A size is below 1.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/model/fusion_model.py (ClusterAssignments);
    docs/methods/sspc.md#anchors.
    """

    def __init__(self, num_anchors: int, dim: int) -> None:
        super().__init__()
        if min(num_anchors, dim) < 1:
            raise ValueError(f"AnchorBank: num_anchors is {num_anchors} and dim {dim}, expected at least 1")
        self.weight = nn.Parameter(torch.randn(num_anchors, dim))

    def forward(self, unit_rows: Tensor) -> Tensor:
        """Return the cosines ``(n, K)`` of normalised ``unit_rows (n, D)``, in float32 at least."""
        dtype = torch.promote_types(unit_rows.dtype, self.weight.dtype)
        with torch.autocast(unit_rows.device.type, enabled=False):
            return F.linear(unit_rows.to(dtype), F.normalize(self.weight.to(dtype), dim=1))
