"""Rotating a new embedding onto the one before it.

A hierarchy's points are defined up to a rotation (and reflection) of the ball. Heads that were trained on the
old points would have to find the new frame first.

Source: reference shhc.md section 1.11, "Re-clustering hazard".
"""

from __future__ import annotations

import torch
from torch import Tensor


def rotate_onto(points: Tensor, reference: Tensor) -> Tensor:
    """Return ``points (K, D)`` after the orthogonal map that brings them closest to ``reference (K, D)``.

    Orthogonal Procrustes, in float64; rows that are NaN in either (empty clusters) have no say. Distances,
    depths of common ancestors and thus the tree stay as they are.
    """
    known = (points.isfinite() & reference.isfinite()).all(1)
    left, _, right = torch.linalg.svd(points[known].double().T @ reference[known].double())
    moved: Tensor = (points.double() @ left @ right).to(points.dtype)
    return moved
