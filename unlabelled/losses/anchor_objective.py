"""From the features of a batch to its SSPC loss: cosines with anchors, codes, targets, terms.

The codes of the batch are assigned together with the rows of the queues, balanced over all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from unlabelled.clustering import MultiAssignment
from unlabelled.distributed import all_reduce_sum_
from unlabelled.losses.structure import (
    Logits,
    StructureLoss,
    StructureTerm,
    min_max_targets,
    raw_targets,
    structure_loss,
)
from unlabelled.nn.anchors import AnchorKey, AnchorRows, AnchorSpaces

Targets = Literal["minmax", "raw"]


@dataclass(frozen=True)
class AnchorObjective:
    """The loss that trains the anchors.

    Args:
        terms: Terms of the loss.
        assignment: Computes the codes.
        targets: ``minmax``: codes stretched to 0 and 1 row by row, as in the released code; ``raw``: codes
            clipped to [0, 1].
        logits: ``exp``, as in the released code; ``scaled``. See
            :func:`~unlabelled.losses.structure.anchor_cost`.
        temperature: tau_b.
        masked: Use ``AnchorRows.counted``: a term is then the mean over the rows that count for both of its
            modalities.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/loss/combinatorial_loss.py
    (AncSimilarityLoss); docs/methods/sspc.md#multi-sk and #sspc-loss.
    """

    terms: tuple[StructureTerm, ...]
    assignment: MultiAssignment
    targets: Targets = "minmax"
    logits: Logits = "exp"
    temperature: float = 0.1
    masked: bool = False

    def __call__(self, anchors: AnchorSpaces, batch: AnchorRows, queued: AnchorRows) -> StructureLoss:
        """Return the loss of the batch.

        Args:
            anchors: The anchors of both spaces.
            batch: This rank's samples, with a gradient.
            queued: This rank's share of the rows of the queues, over which the codes are balanced too.
        """
        target_keys = _distinct(term.target for term in self.terms)
        scores = anchors(batch, _distinct([*target_keys, *(term.prediction for term in self.terms)]))
        with torch.no_grad():
            queue_scores = anchors(queued, target_keys)
        codes = codes_of_batch(self.assignment, queue_scores, scores, queued.counted, batch.counted)
        if self.targets == "raw":
            targets = {key: raw_targets(each) for key, each in codes.items()}
        else:
            num_assigned = self.assignment.num_assigned
            targets = {key: min_max_targets(each, num_assigned(each.shape[1])) for key, each in codes.items()}
        counted = batch.counted if self.masked else None
        return structure_loss(scores, targets, self.terms, self.temperature, self.logits, counted)


def _distinct(keys: Iterable[AnchorKey]) -> list[AnchorKey]:
    """Return each key once, in the given order, but those of the input space first."""
    return sorted(dict.fromkeys(keys), key=lambda key: key.space != "input")


@torch.no_grad()
def codes_of_batch(
    assign: Callable[[Tensor], Tensor],
    queue_scores: Mapping[AnchorKey, Tensor],
    batch_scores: Mapping[AnchorKey, Tensor],
    queue_counted: Mapping[str, Tensor],
    batch_counted: Mapping[str, Tensor],
) -> dict[AnchorKey, Tensor]:
    """Assign anchors to queue rows and batch together; return the codes ``(B, K)`` of the batch.

    There is one assignment per modality, of all L scores of its features.

    Args:
        assign: Maps ``(L, n, K)`` to codes, balanced over the rows of all ranks.
        queue_scores: ``(n, K)``, of this rank's share of the queue rows; codes are returned for their keys.
        batch_scores: ``(B, K)``, for these keys at least.
        queue_counted: ``(n,)`` bool by modality: rows that take part.
        batch_counted: ``(B,)`` bool by modality: rows that take part. The codes of other rows are zeros.
    """
    batch_codes: dict[AnchorKey, Tensor] = {}
    for modality, new_counted in batch_counted.items():
        keys = [key for key in queue_scores if key.feature == modality]
        if not keys:
            continue
        old_counted = queue_counted[modality]
        codes = torch.zeros_like(torch.stack([batch_scores[key] for key in keys]))  # (L, B, K)
        if int(all_reduce_sum_(old_counted.sum() + new_counted.sum())) > 0:
            together = [
                torch.cat([queue_scores[key][old_counted], batch_scores[key][new_counted]]) for key in keys
            ]
            assigned = assign(torch.stack(together))[:, int(old_counted.sum()) :]
            codes[:, new_counted] = assigned.to(codes.dtype)
        batch_codes.update(zip(keys, codes, strict=True))
    return batch_codes


@torch.no_grad()
def usage_entropy(scores: Tensor, num_assigned: int) -> Tensor:
    """Return the evenness with which the rows of all ranks use their K' nearest anchors, as a scalar.

    It is the entropy of the shares of the anchors, scaled from 0 (all rows have the same K' anchors) to 1
    (all anchors are equally frequent).

    Args:
        scores: ``(n, K)``.
        num_assigned: K'.

    Source: ours; docs/methods/sspc.md#traps.

    Example:
        >>> scores = torch.tensor([[0.9, 0.8, 0.0, 0.0], [0.0, 0.0, 0.9, 0.8]])
        >>> [round(float(usage_entropy(rows, 2)), 3) for rows in (scores, scores[:1])]
        [1.0, 0.0]
    """
    num_anchors = scores.shape[1]
    if num_assigned == num_anchors:
        return scores.new_ones(())
    nearest = scores.topk(num_assigned, 1).indices.flatten()
    ones = scores.new_ones(nearest.shape, dtype=torch.float64)
    counts = all_reduce_sum_(ones.new_zeros(num_anchors).scatter_add_(0, nearest, ones))
    entropy: Tensor = torch.special.entr(counts / counts.sum()).sum()
    least = math.log(num_assigned)
    return ((entropy - least) / (math.log(num_anchors) - least)).float()
