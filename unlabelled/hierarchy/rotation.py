"""Rotation of a new embedding onto the last one.

The points of a hierarchy are defined up to a rotation and reflection of the ball. Without the rotation, heads
that were trained on the old points would first have to learn the new orientation.

Source: ours; the paper does not treat it: docs/methods/shhc.md#paper-and-code.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rotate_onto(points: Tensor, reference: Tensor) -> Tensor:
    """Return ``points (K, D)`` after the orthogonal map that brings them closest to ``reference (K, D)``.

    Orthogonal Procrustes in float64; rows with NaN in either argument (empty clusters) are left out.
    Distances and depths of common ancestors, and thus the tree, do not change.
    """
    known = (points.isfinite() & reference.isfinite()).all(1)
    left, _, right = torch.linalg.svd(points[known].double().T @ reference[known].double())
    moved: Tensor = (points.double() @ left @ right).to(points.dtype)
    return moved
