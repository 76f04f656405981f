"""Losses of every method, and what they are made of."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.gpu.inputs import Cases, Inputs
from unlabelled.clustering import DampedMultiSinkhorn
from unlabelled.clustering.map_clustering import cluster_maps
from unlabelled.losses import (
    MaskedMarginSoftmax,
    MaxMargin,
    PairCrossEntropy,
    StructureTerm,
    StructureWeights,
    SymmetricNCE,
    anchor_cost,
    cluster_loss,
    contrast_terms,
    info_nce,
    masked_margin_softmax,
    min_max_targets,
    multi_head_cross_entropy,
    raw_targets,
    reconstruction_loss,
    relational,
    row_shares,
    soft_contrastive,
    structure_loss,
    symmetric_nce,
    transformation_contrast,
    weighted_contrast,
    weighted_pairs,
)
from unlabelled.losses.anchor_objective import AnchorObjective, codes_of_batch, usage_entropy
from unlabelled.losses.correspondence import centre_similarity, paired_cosines, ranking_hinge
from unlabelled.losses.mismatch import draw_mismatches, mismatched
from unlabelled.losses.pair_ranking import Comparison, compare_centres
from unlabelled.losses.row_shares import counted_rows
from unlabelled.losses.sound_maps import cluster_weights, on_grid, sound_map
from unlabelled.losses.transformation_contrast import similarities, term_logits
from unlabelled.nn.anchors import AnchorKey, AnchorRows, AnchorSpaces

_MODALITIES = ("text", "video", "audio")


def _contrasted(x: Inputs) -> tuple[Tensor, Tensor, Tensor]:
    return x.learned(x.unit(16, 32)), x.unit(16, 32), x.unit(128, 32)


def _pair(x: Inputs) -> tuple[Tensor, Tensor, Tensor]:
    return x.learned(x.unit(16, 32)), x.learned(x.unit(16, 32)), x.mask(16)


def _compared(x: Inputs) -> Comparison:
    visual, audio = x.learned(x.normal(8, 5, 16)), x.learned(x.normal(8, 5, 16))
    return compare_centres(visual, audio, x.integers(6, 8), ~x.mask(8))


def _margin(negatives: Any) -> Any:
    return lambda x: MaxMargin(negatives=negatives)(_compared(x), 3)


def _terms() -> tuple[StructureTerm, ...]:
    return StructureWeights().terms(_MODALITIES)


def _structure(x: Inputs, logits: Any) -> Any:
    keys = {key for term in _terms() for key in (term.prediction, term.target)}
    scores = {key: x.learned(x.normal(8, 6, scale=0.3)) for key in sorted(keys)}
    targets = {key: x.uniform(8, 6) for key in sorted(keys)}
    counted = {name: x.mask(8) for name in _MODALITIES}
    return structure_loss(scores, targets, _terms(), logits=logits, counted=counted)


def _anchor_rows(x: Inputs, rows: int) -> AnchorRows:
    inputs, projected = ({name: x.unit(rows, 16) for name in _MODALITIES} for _ in range(2))
    return AnchorRows(inputs, projected, {name: x.mask(rows) for name in _MODALITIES})


def _objective(x: Inputs, masked: bool) -> Any:
    spaces = x.network(lambda: AnchorSpaces(8, dict.fromkeys(_MODALITIES, 16), 16))
    objective = AnchorObjective(_terms(), DampedMultiSinkhorn(), logits="scaled", masked=masked)
    return objective(spaces, _anchor_rows(x, 8), _anchor_rows(x, 24))


def _codes(x: Inputs) -> Any:
    keys = [AnchorKey("input", name, name) for name in _MODALITIES]
    queued, batch = ({key: x.normal(rows, 8, scale=0.3) for key in keys} for rows in (24, 8))
    counted = [{name: x.mask(rows) for name in _MODALITIES} for rows in (24, 8)]
    return codes_of_batch(DampedMultiSinkhorn(), queued, batch, *counted)


def _copies(x: Inputs) -> tuple[Tensor, Tensor]:
    return x.learned(x.normal(6, 2, 2, 16)), x.learned(x.normal(6, 2, 2, 16))


def _term_logits(x: Inputs) -> Any:
    similar = similarities(*_copies(x))
    return [term_logits(term, similar, 0) for term in contrast_terms("variant", "invariant")]


def _clusters(x: Inputs) -> Any:
    return cluster_maps(x.normal(4, 5, 12, 8))


def _sound_map(x: Inputs, kind: Any) -> Any:
    return sound_map(kind, _clusters(x), _clusters(x), x.normal(4, 5, 12, 8), x.normal(5, 8))


LOSSES: Cases = {
    "info_nce": lambda x: info_nce(*_contrasted(x)),
    "info_nce: own keys": lambda x: info_nce(*_contrasted(x), own_rows=torch.arange(16, device=x.device)),
    "relational": lambda x: relational(*_contrasted(x)),
    "soft_contrastive": lambda x: soft_contrastive(*_contrasted(x)),
    "soft_contrastive: as released": lambda x: soft_contrastive(*_contrasted(x), positive_slot="zero_logit"),
    "weighted_contrast": lambda x: weighted_contrast(*_contrasted(x), 0.1, 0.05, 0.5, 0.3, 0.2),
    "masked_margin_softmax": lambda x: masked_margin_softmax(*_pair(x)),
    "MaskedMarginSoftmax": lambda x: MaskedMarginSoftmax()(*_pair(x)),
    "symmetric_nce": lambda x: symmetric_nce(*_pair(x)),
    "SymmetricNCE": lambda x: SymmetricNCE()(*_pair(x)),
    "weighted_pairs": lambda x: weighted_pairs(
        {"a-b": x.learned(x.normal()), "a-c": x.normal()}, {"a-b": 1.0, "a-c": 0.1}
    ),
    "cluster_loss": lambda x: cluster_loss(
        {"text": x.learned(x.normal(8, 16)), "video": x.learned(x.normal(8, 16))},
        x.normal(5, 16),
        x.integers(5, 8),
        valid={"text": x.mask(8), "video": x.mask(8)},
    ),
    "reconstruction_loss": lambda x: reconstruction_loss(
        {"text": x.learned(x.normal(8, 16))}, {"text": x.learned(x.normal(8, 16))}, {"text": x.mask(8)}
    ),
    "multi_head_cross_entropy": lambda x: multi_head_cross_entropy(
        x.learned(x.normal(16, 3, 9)), x.integers(10, 16, 3) - 1, x.uniform(16, 3)
    ),
    "row_shares": lambda x: row_shares(x.uniform(9)),
    "counted_rows": lambda x: counted_rows(x.learned(x.normal(9, 4)), x.mask(9)),
    "centre_similarity": lambda x: centre_similarity(x.learned(x.normal(6, 5, 16)), x.normal(7, 5, 16)),
    "paired_cosines": lambda x: paired_cosines(x.learned(x.normal(6, 5, 16)), x.normal(6, 5, 16)),
    "ranking_hinge": lambda x: ranking_hinge(x.learned(x.normal(6, 7)), x.normal(6), x.mask(6, 7), 1.0),
    "compare_centres": lambda x: _compared(x),
    "MaxMargin": _margin("all"),
    "MaxMargin: hardest": _margin("hardest"),
    "MaxMargin: one random": _margin("one_random"),
    "PairCrossEntropy": lambda x: PairCrossEntropy()(_compared(x), 3),
    "mismatched": lambda x: mismatched(x.integers(6, 8), x.mask(8)),
    "draw_mismatches": lambda x: draw_mismatches(x.mask(8, 8), 3),
    "anchor_cost": lambda x: anchor_cost(x.learned(x.normal(8, 6, scale=0.3)), x.uniform(8, 6)),
    "min_max_targets": lambda x: min_max_targets(x.uniform(8, 6), 3),
    "raw_targets": lambda x: raw_targets(x.normal(8, 6)),
    "structure_loss": lambda x: _structure(x, "exp"),
    "structure_loss: scaled": lambda x: _structure(x, "scaled"),
    "AnchorObjective": lambda x: _objective(x, masked=False),
    "AnchorObjective: masked": lambda x: _objective(x, masked=True),
    "codes_of_batch": _codes,
    "usage_entropy": lambda x: usage_entropy(x.normal(16, 8), 4),
    "transformation_contrast": lambda x: transformation_contrast(
        *_copies(x), contrast_terms("variant", "invariant")
    ),
    "similarities": lambda x: similarities(*_copies(x)),
    "term_logits": _term_logits,
    "cluster_weights": lambda x: cluster_weights(
        "distinctive", x.normal(4, 5, 8), x.normal(4, 5, 8), x.normal(5, 8)
    ),
    "sound_map": lambda x: _sound_map(x, "weighted"),
    "sound_map: cosine": lambda x: _sound_map(x, "cosine"),
    "on_grid": lambda x: on_grid(x.normal(2, 12), torch.Size((3, 2, 2))),
}
