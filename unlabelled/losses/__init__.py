"""Losses, as functions of tensors."""

from unlabelled.losses.contrast import Contrast, info_nce, relational, soft_contrastive, weighted_contrast
from unlabelled.losses.cross_modal import (
    MaskedMarginSoftmax,
    PairLoss,
    SymmetricNCE,
    masked_margin_softmax,
    symmetric_nce,
    weighted_pairs,
)
from unlabelled.losses.mcn import cluster_loss, reconstruction_loss
from unlabelled.losses.pair_ranking import CorrespondenceLoss, MaxMargin, PairCrossEntropy
from unlabelled.losses.row_shares import row_shares
from unlabelled.losses.self_label import multi_head_cross_entropy
from unlabelled.losses.structure import (
    StructureLoss,
    StructureTerm,
    StructureWeights,
    anchor_cost,
    min_max_targets,
    raw_targets,
    structure_loss,
)
from unlabelled.losses.transformation_contrast import (
    Stance,
    Term,
    TransformationContrast,
    contrast_terms,
    transformation_contrast,
)

__all__ = [
    "Contrast",
    "CorrespondenceLoss",
    "MaskedMarginSoftmax",
    "MaxMargin",
    "PairCrossEntropy",
    "PairLoss",
    "Stance",
    "StructureLoss",
    "StructureTerm",
    "StructureWeights",
    "SymmetricNCE",
    "Term",
    "TransformationContrast",
    "anchor_cost",
    "cluster_loss",
    "contrast_terms",
    "info_nce",
    "masked_margin_softmax",
    "min_max_targets",
    "multi_head_cross_entropy",
    "raw_targets",
    "reconstruction_loss",
    "relational",
    "row_shares",
    "soft_contrastive",
    "structure_loss",
    "symmetric_nce",
    "transformation_contrast",
    "weighted_contrast",
    "weighted_pairs",
]
