"""Losses: pure functions of tensors."""

from unlabelled.losses.contrast import Contrast, info_nce, relational, soft_contrastive, weighted_contrast
from unlabelled.losses.self_label import multi_head_cross_entropy

__all__ = [
    "Contrast",
    "info_nce",
    "multi_head_cross_entropy",
    "relational",
    "soft_contrastive",
    "weighted_contrast",
]
