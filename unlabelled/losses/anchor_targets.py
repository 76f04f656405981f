"""Targets for similarities from soft K'-hot codes."""

from __future__ import annotations

from torch import Tensor

CONSTANT_RANGE = 1e-5
"""Rows whose codes differ by less count as constant: the difference is round-off."""


def min_max_targets(codes: Tensor, num_assigned: int) -> Tensor:
    """Stretch each row to [0, 1]: its largest code becomes 1, its smallest 0.

    The released code does this; the pseudo-code of the supplement ends before it. A constant row, which would
    be 0 / 0, gets K' / K everywhere.

    Args:
        codes: T, ``(..., n, K)``.
        num_assigned: K'.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/loss/combinatorial_loss.py
    (normalize_matrix); docs/methods/sspc.md#multi-sk.
    """
    low, high = codes.aminmax(dim=-1, keepdim=True)
    spread = high - low
    constant = spread < CONSTANT_RANGE
    stretched = (codes - low) / spread.masked_fill(constant, 1.0)
    return stretched.masked_fill(constant, num_assigned / codes.shape[-1])


def raw_targets(codes: Tensor) -> Tensor:
    """Clip T ``(..., n, K)`` to [0, 1]; before convergence it may exceed 1. Source: ours."""
    return codes.clamp(0, 1)
