"""Learned anchors: vectors with which features are compared by their cosine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

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


class AnchorKey(NamedTuple):
    """Identifies one matrix of cosines ``(n, K)``: features of one modality with one bank of anchors.

    Attributes:
        space: ``input`` (features before the fusion of modalities) or ``projected`` (after it).
        feature: The modality of the features.
        anchor: The modality whose anchors they are compared with; in the input space the same one.
    """

    space: Literal["input", "projected"]
    feature: str
    anchor: str


class AnchorRows(NamedTuple):
    """Normalised features of the same n clips in both spaces.

    Attributes:
        inputs: ``(n, D)`` by modality.
        projected: ``(n, P)`` by modality.
        counted: ``(n,)`` bool by modality; only rows with True take part in codes and terms.
    """

    inputs: Mapping[str, Tensor]
    projected: Mapping[str, Tensor]
    counted: Mapping[str, Tensor]


class AnchorSpaces(nn.Module):
    """Two banks of K anchors for each modality, one in the input space and one in the projected space.

    Args:
        num_anchors: K.
        input_dims: D by modality.
        projected_dim: P.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/model/fusion_model.py (ClusterAssignments);
    docs/methods/sspc.md#anchors.
    """

    def __init__(self, num_anchors: int, input_dims: Mapping[str, int], projected_dim: int) -> None:
        super().__init__()
        self.inputs = nn.ModuleDict({m: AnchorBank(num_anchors, dim) for m, dim in input_dims.items()})
        self.projected = nn.ModuleDict({m: AnchorBank(num_anchors, projected_dim) for m in input_dims})

    def forward(self, rows: AnchorRows, keys: Iterable[AnchorKey]) -> dict[AnchorKey, Tensor]:
        """Return the cosines ``(n, K)`` for each of ``keys``."""
        cosines = {}
        for key in keys:
            banks, features = (
                (self.inputs, rows.inputs) if key.space == "input" else (self.projected, rows.projected)
            )
            cosines[key] = banks[key.anchor](features[key.feature])
        return cosines

    def zero_loss(self) -> Tensor:
        """Return a zero that depends on every anchor: DDP requires a gradient of each parameter per step."""
        return torch.stack([bank.sum() for bank in self.parameters()]).sum() * 0
