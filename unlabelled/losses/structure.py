"""The SSPC loss: similarities to anchors in one space predict the codes of the other space.

Each modality m has two banks of anchors, in the input space (features before the fusion of modalities) and in
the projected space (the features of the contrastive loss). Input scores are cosines ``in_m (B, K)`` of the
inputs of m with its input anchors; projected scores are cosines ``pr_{j|m} (B, K)`` of the projected features
of modality j with the projected anchors of m. The codes of one space are the targets of the scores of the
other space, in both directions, for each pair (m, j): 18 terms with three modalities.

Source: Swetha et al. 2023 (arXiv:2308.13077); Swetha5/Multi_Sinkhorn_Knopp,
everything_at_once/loss/combinatorial_loss.py (calculate_cost, AncSimilarityLoss);
docs/methods/sspc.md#sspc-loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.losses.row_shares import counted_rows, row_shares
from unlabelled.modalities import MODALITIES
from unlabelled.nn.anchors import AnchorKey

Logits = Literal["exp", "scaled"]

_CONSTANT_RANGE = 1e-5  # rows whose codes differ by less are constant: the difference is round-off


class StructureTerm(NamedTuple):
    """One term of the SSPC loss: one matrix of scores predicts the codes of another one.

    Attributes:
        name: For instance ``input_text_from_projected_video``, on the anchors of text in both spaces.
        prediction: The scores that predict.
        target: The scores whose codes are the targets, in the other space; of the same modality
            (modality-specific term) or of another one (cross-modal term).
        weight: The weight in the sum.
    """

    name: str
    prediction: AnchorKey
    target: AnchorKey
    weight: float


@dataclass(frozen=True)
class StructureWeights:
    """Weights of the terms of the SSPC loss; the defaults are the released ones.

    Args:
        cross_modal: Whether terms of two modalities count.
        modality_specific: Whether terms of one modality count.
        audio: Weight of terms with audio on either side; the weight of all others is 1.
        overrides: Other weights for single terms, by :attr:`StructureTerm.name`. A term that one of the two
            switches above turns off stays off.

    Raises:
        ValueError: A negative weight, or the name of a term that does not exist.

    Source: Swetha5/Multi_Sinkhorn_Knopp, configs/pretraining/resnet_tva.yaml (c_loss_*); SSPC supplement,
    section 1.5 and Table 6; docs/methods/sspc.md#sspc-loss.

    Example:
        >>> terms = StructureWeights(modality_specific=False, audio=0.5).terms(["text", "audio"])
        >>> {term.name: term.weight for term in terms if term.prediction.space == "input"}
        {'input_text_from_projected_audio': 0.5, 'input_audio_from_projected_text': 0.5}
    """

    cross_modal: bool = True
    modality_specific: bool = True
    audio: float = 0.1
    overrides: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [term.name for term in _all_terms(MODALITIES)]
        unknown = [name for name in self.overrides if name not in names]
        if unknown:
            raise ValueError(
                f"StructureWeights: overrides name {unknown}, which are no terms; there are {names}"
            )
        if min([self.audio, *self.overrides.values()]) < 0:
            raise ValueError(
                f"StructureWeights: audio is {self.audio} and overrides {dict(self.overrides)}, expected no "
                "negative weight"
            )

    def terms(self, modalities: Sequence[str]) -> tuple[StructureTerm, ...]:
        """Return the terms of these modalities whose weight is not 0.

        Raises:
            ValueError: A modality is none of text, video and audio.
        """
        unknown = [modality for modality in modalities if modality not in MODALITIES]
        if unknown:
            raise ValueError(f"StructureWeights: modalities {unknown} are none of {', '.join(MODALITIES)}")
        weighted = (term._replace(weight=self._weight(term)) for term in _all_terms(modalities))
        return tuple(term for term in weighted if term.weight)

    def _weight(self, term: StructureTerm) -> float:
        modalities = {term.prediction.feature, term.target.feature}
        switched_on = self.modality_specific if len(modalities) == 1 else self.cross_modal
        default = self.audio if "audio" in modalities else 1.0
        return self.overrides.get(term.name, default) if switched_on else 0.0


def _all_terms(modalities: Sequence[str]) -> list[StructureTerm]:
    pairs = [
        (AnchorKey("input", anchor, anchor), AnchorKey("projected", feature, anchor))
        for anchor in modalities
        for feature in modalities
    ]
    return [
        StructureTerm(f"{one.space}_{one.feature}_from_{other.space}_{other.feature}", one, other, 1.0)
        for one, other in pairs + [pair[::-1] for pair in pairs]
    ]


def min_max_targets(codes: Tensor, num_assigned: int) -> Tensor:
    """Stretch each row to [0, 1]: its largest code becomes 1, its smallest 0.

    The released code does this; the pseudo-code of the supplement ends before it. All entries of a constant
    row, for which this would be 0 / 0, become K' / K.

    Args:
        codes: T, ``(..., n, K)``.
        num_assigned: K'.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/loss/combinatorial_loss.py
    (normalize_matrix); docs/methods/sspc.md#multi-sk.

    Example:
        >>> min_max_targets(torch.tensor([[0.25, 0.75, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]]), 2).tolist()
        [[0.0, 1.0, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]]
    """
    low, high = codes.aminmax(dim=-1, keepdim=True)
    spread = high - low
    constant = spread < _CONSTANT_RANGE
    stretched = (codes - low) / spread.masked_fill(constant, 1.0)
    return stretched.masked_fill(constant, num_assigned / codes.shape[-1])


def raw_targets(codes: Tensor) -> Tensor:
    """Clip T ``(..., n, K)`` to [0, 1]; before convergence it may exceed 1. Source: ours."""
    return codes.clamp(0, 1)


class StructureLoss(NamedTuple):
    """The loss and its terms.

    Attributes:
        total: The weighted sum of the terms, with a gradient.
        terms: Each term's cost by name, without its weight and without a gradient.
    """

    total: Tensor
    terms: dict[str, Tensor]


def structure_loss(
    scores: Mapping[AnchorKey, Tensor],
    targets: Mapping[AnchorKey, Tensor],
    terms: Sequence[StructureTerm],
    temperature: float = 0.1,
    logits: Logits = "exp",
    counted: Mapping[str, Tensor] | None = None,
) -> StructureLoss:
    """Return the weighted sum of the terms; it is not divided by the sum of the weights.

    Args:
        scores: Cosines ``(B, K)``, at least those that predict in ``terms``.
        targets: ``(B, K)`` in [0, 1], from codes of scores, at least the targets of ``terms``.
        terms: From :meth:`StructureWeights.terms`.
        temperature: tau_b.
        logits: As in :func:`anchor_cost`.
        counted: ``(B,)`` bool by modality: a term is the mean over the rows of all ranks that count for both
            of its modalities. ``None``: the mean over all rows.

    Raises:
        ValueError: There are no terms, or scores or targets of a term are missing.
    """
    if not terms:
        raise ValueError("SSPC has no terms; give StructureWeights a part that is on, or leave the loss out")
    groups: dict[frozenset[str], list[StructureTerm]] = {}  # of terms whose mean is over the same rows
    for term in terms:
        both = frozenset((term.prediction.feature, term.target.feature))
        groups.setdefault(both if counted is not None else frozenset(), []).append(term)
    costs, totals = {}, []
    for modalities, group in groups.items():
        shares = None
        if counted is not None:
            shares = row_shares(torch.stack([counted[name] for name in modalities]).all(0))
        for term in group:
            if term.prediction not in scores or term.target not in targets:
                raise ValueError(
                    f"SSPC: term {term.name} needs the scores of {term.prediction} and the targets of "
                    f"{term.target}; there are scores of {list(scores)} and targets of {list(targets)}"
                )
            pair = scores[term.prediction], targets[term.target]
            costs[term.name] = _mean_cost(*pair, temperature, logits, shares)
        totals.append(torch.stack([term.weight * costs[term.name] for term in group]).sum())
    return StructureLoss(torch.stack(totals).sum(), {name: cost.detach() for name, cost in costs.items()})


def anchor_cost(
    similarities: Tensor,
    targets: Tensor,
    temperature: float = 0.1,
    logits: Logits = "exp",
    weight: Tensor | None = None,
) -> Tensor:
    """Return the mean binary cross-entropy of similarities to anchors against codes, in nats.

    Computed in float32 at least, also under autocast.

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
    if shares is not None:
        similarities = counted_rows(similarities, shares > 0)
    with torch.autocast(similarities.device.type, enabled=False):
        scaled = similarities.to(dtype) / temperature
        values = scaled.exp() if logits == "exp" else scaled
        target = targets.detach().to(dtype)
        rows = F.binary_cross_entropy_with_logits(values, target, reduction="none").mean(1)
        return rows.mean() if shares is None else (shares * rows).sum()
