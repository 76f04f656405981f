"""Losses: pure functions of tensors."""

from unlabelled.losses.self_label import multi_head_cross_entropy

__all__ = ["multi_head_cross_entropy"]
