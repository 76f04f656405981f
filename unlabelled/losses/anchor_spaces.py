"""Anchors of SSPC in both spaces, and the codes of a batch assigned together with queue rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unlabelled.distributed import all_reduce_sum_
from unlabelled.losses import NeededScores
from unlabelled.nn.anchors import AnchorBank

Assign = Callable[[Tensor], Tensor]


class Rows(NamedTuple):
    """Features of the same clips in both spaces, normalised.

    Attributes:
        inputs: ``(n, D)`` by modality.
        projected: ``(n, P)`` by modality.
        counted: ``(n,)`` bool by modality: rows that take part.
    """

    inputs: Mapping[str, Tensor]
    projected: Mapping[str, Tensor]
    counted: Mapping[str, Tensor]


class Scores(NamedTuple):
    """Cosines with anchors, or codes of them, ``(n, K)`` each.

    Attributes:
        inputs: ``in_m`` by modality.
        projected: ``pr_{j|m}`` by feature modality j and anchor modality m.
    """

    inputs: dict[str, Tensor]
    projected: dict[tuple[str, str], Tensor]

    def of(self, modality: str, like: Scores) -> list[Tensor]:
        """Return all scores of the rows of a modality, for the keys of ``like``."""
        pairs = [pair for pair in like.projected if pair[0] == modality]
        own = [self.inputs[modality]] if modality in like.inputs else []
        return own + [self.projected[pair] for pair in pairs]


class AnchorSpaces(nn.Module):
    """A bank of K anchors for each modality in the input space, and one in the projected space.

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

    def forward(self, rows: Rows, needed: NeededScores) -> Scores:
        """Return the needed cosines."""
        return Scores(
            {m: self.inputs[m](rows.inputs[m]) for m in needed.inputs},
            {(j, m): self.projected[m](rows.projected[j]) for j, m in needed.projected},
        )

    def nothing(self) -> Tensor:
        """Return a zero that depends on every anchor, as DDP requires a gradient for each in each step."""
        return torch.stack([bank.sum() for bank in self.parameters()]).sum() * 0


@torch.no_grad()
def codes_of_batch(
    assign: Assign,
    remembered: Scores,
    batch: Scores,
    remembered_counts: Mapping[str, Tensor],
    batch_counts: Mapping[str, Tensor],
) -> Scores:
    """Assign anchors to queue rows and the batch together; return the codes of the batch.

    One assignment per modality j, of all scores of its rows: ``in_j`` and ``pr_{j|m}``.

    Args:
        assign: Maps ``(L, n, K)`` to codes, balanced over the rows of all ranks.
        remembered: Scores of this rank's share of the queue rows; their keys are the codes to compute.
        batch: Scores of the batch, with these keys at least.
        remembered_counts: ``(n,)`` bool by modality: rows that take part.
        batch_counts: ``(B,)`` bool by modality. The codes of the other rows are zeros.
    """
    codes = Scores({}, {})
    for modality, counts in batch_counts.items():
        old, new = remembered.of(modality, remembered), batch.of(modality, remembered)
        if not old:
            continue
        found = _assign_together(assign, old, new, remembered_counts[modality], counts)
        if modality in remembered.inputs:
            codes.inputs[modality] = found.pop(0)
        pairs = [pair for pair in remembered.projected if pair[0] == modality]
        codes.projected.update(zip(pairs, found, strict=True))
    return codes


@torch.no_grad()
def usage_entropy(scores: Tensor, num_assigned: int) -> Tensor:
    """Return how evenly the K' nearest anchors are used by the rows of all ranks: 0 (the same for all) to 1.

    Args:
        scores: ``(n, K)``.
        num_assigned: K'.

    Source: ours; docs/methods/sspc.md#traps.
    """
    num_anchors = scores.shape[1]
    if num_assigned == num_anchors:
        return scores.new_ones(())
    nearest = scores.topk(num_assigned, 1).indices.flatten()
    counts = all_reduce_sum_(torch.bincount(nearest, minlength=num_anchors).double())
    entropy: Tensor = torch.special.entr(counts / counts.sum()).sum()
    least = math.log(num_assigned)
    return ((entropy - least) / (math.log(num_anchors) - least)).float()


def _assign_together(
    assign: Assign, old: list[Tensor], new: list[Tensor], old_counts: Tensor, new_counts: Tensor
) -> list[Tensor]:
    codes = torch.zeros_like(torch.stack(new))  # (L, B, K)
    if int(all_reduce_sum_(old_counts.sum() + new_counts.sum())) == 0:
        return list(codes)
    together = [torch.cat([a[old_counts], b[new_counts]]) for a, b in zip(old, new, strict=True)]
    found = assign(torch.stack(together))[:, int(old_counts.sum()) :]
    codes[:, new_counts] = found.to(codes.dtype)
    return list(codes)
