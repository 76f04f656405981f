"""The SSPC loss: similarities to anchors in one space predict the codes of the other space.

Each modality m has two banks of anchors, in the input space (features before the fusion of modalities) and in
the projected space (the features of the contrastive loss). Input scores are cosines ``in_m (B, K)`` of the
inputs of m with its input anchors; projected scores are cosines ``pr_{j|m} (B, K)`` of the projected features
of modality j with the projected anchors of m. Codes Y of one space supervise scores of the other, in both
directions, for each pair (m, j): 18 terms with three modalities.

Source: Swetha et al. 2023 (arXiv:2308.13077); Swetha5/Multi_Sinkhorn_Knopp,
everything_at_once/loss/combinatorial_loss.py (calculate_cost, AncSimilarityLoss);
docs/methods/sspc.md#sspc-loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.losses.row_shares import row_shares
from unlabelled.losses.structure_terms import StructureTerm

Key = TypeVar("Key")
Logits = Literal["exp", "scaled"]
InputTensors = Mapping[str, Tensor]
"""``{modality m: (B, K)}``."""
ProjectedTensors = Mapping[tuple[str, str], Tensor]
"""``{(feature modality j, anchor modality m): (B, K)}``."""


class StructureLoss(NamedTuple):
    """The loss and its terms.

    Attributes:
        total: The weighted sum of the terms, with a gradient.
        terms: Each term's cost by name, without its weight.
    """

    total: Tensor
    terms: dict[str, Tensor]


def structure_loss(
    input_scores: InputTensors,
    projected_scores: ProjectedTensors,
    input_targets: InputTensors,
    projected_targets: ProjectedTensors,
    terms: Sequence[StructureTerm],
    temperature: float = 0.1,
    logits: Logits = "exp",
    weight: Tensor | None = None,
) -> StructureLoss:
    """Return the sum of the weighted terms; it is not divided by the sum of the weights.

    Args:
        input_scores: ``in_m``.
        projected_scores: ``pr_{j|m}``.
        input_targets: Targets from the codes of ``in_m``.
        projected_targets: Targets from the codes of ``pr_{j|m}``.
        terms: From :meth:`StructureWeights.terms`; scores and targets that they do not need may be missing.
        temperature: tau_b.
        logits: As in :func:`anchor_cost`, like ``weight``.
        weight: ``(B,)`` or ``None``.

    Raises:
        ValueError: There are no terms, or needed scores or targets are missing.
    """
    if not terms:
        raise ValueError("SSPC has no terms; give StructureWeights a part that is on, or leave the loss out")
    shares = row_shares(weight) if weight is not None else None
    costs = {}
    for term in terms:
        pair = (term.feature, term.anchor)
        if term.predicts == "input":
            similarities = _get(input_scores, term.anchor, term, "input scores")
            targets = _get(projected_targets, pair, term, "projected targets")
        else:
            similarities = _get(projected_scores, pair, term, "projected scores")
            targets = _get(input_targets, term.anchor, term, "input targets")
        costs[term.name] = _mean_cost(similarities, targets, temperature, logits, shares)
    total = torch.stack([term.weight * costs[term.name] for term in terms]).sum()
    return StructureLoss(total, {name: cost.detach() for name, cost in costs.items()})


def anchor_cost(
    similarities: Tensor,
    targets: Tensor,
    temperature: float = 0.1,
    logits: Logits = "exp",
    weight: Tensor | None = None,
) -> Tensor:
    """Return the mean binary cross-entropy of similarities to anchors against codes, in nats.

    In float32 at least, also under autocast.

    Args:
        similarities: ``(B, K)`` cosines.
        targets: ``(B, K)`` in [0, 1], without a gradient.
        temperature: tau_b.
        logits: Logits from similarities: ``exp``, ``exp(S / tau_b)``, as in the released code (always
            positive, so that a target of 0 costs ln 2 at least), or ``scaled``, ``S / tau_b``.
        weight: ``(B,)`` weights of the rows, for instance a bool mask: a weighted mean over the rows of all
            ranks, and 0 if all weights are 0. ``None``: equal weights, equally many rows on each rank.

    Raises:
        ValueError: The shapes differ, ``temperature`` is not positive, or ``logits`` is unknown.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/loss/combinatorial_loss.py (calculate_cost);
    docs/methods/sspc.md#sspc-loss and #traps.
    """
    shares = row_shares(weight) if weight is not None else None
    return _mean_cost(similarities, targets, temperature, logits, shares)


def _mean_cost(
    similarities: Tensor, targets: Tensor, temperature: float, logits: Logits, shares: Tensor | None
) -> Tensor:
    if similarities.shape != targets.shape or not temperature > 0 or logits not in ("exp", "scaled"):
        raise ValueError(
            f"SSPC: similarities are {tuple(similarities.shape)}, targets {tuple(targets.shape)}, "
            f"temperature {temperature} and logits {logits!r}; expected equal shapes (B, K), a positive "
            "temperature, and 'exp' or 'scaled'"
        )
    dtype = torch.promote_types(similarities.dtype, torch.float32)
    with torch.autocast(similarities.device.type, enabled=False):
        scaled = similarities.to(dtype) / temperature
        values = scaled.exp() if logits == "exp" else scaled
        target = targets.detach().to(dtype)
        rows = F.binary_cross_entropy_with_logits(values, target, reduction="none").mean(1)
        return rows.mean() if shares is None else (shares * rows).sum()


def _get(tensors: Mapping[Key, Tensor], key: Key, term: StructureTerm, what: str) -> Tensor:
    if key not in tensors:
        raise ValueError(f"SSPC: term {term.name} needs the {what} of {key!r}; given are {list(tensors)}")
    return tensors[key]
