"""Multi-Assignment Sinkhorn-Knopp (Multi-SK): several of K anchors for each sample, all used equally often.

Source: Swetha et al. 2023 (SSPC, arXiv:2308.13077), supplement, sections 2 and 3;
Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/loss/combinatorial_loss.py (multi_sinkhorn);
docs/methods/sspc.md#multi-sk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from unlabelled.clustering.multi_sinkhorn_slices import (
    AnchorSlices,
    SliceGroup,
    distinct_slices,
    step_by_step,
)
from unlabelled.clustering.multi_sinkhorn_two_weights import two_weights
from unlabelled.distributed import all_reduce_sum_

LARGEST_LOGIT = 2.0**32
"""Largest score divided by eps: beyond it, float64 holds less than 6 digits behind the point."""

Order = Literal["paper", "code"]
Loop = Callable[[AnchorSlices, int, bool], Tensor]


def damped_multi_sinkhorn(
    scores: Tensor,
    num_assigned: int,
    damping: float = 0.25,
    epsilon: float = 0.07,
    num_iterations: int = 20,
    order: Order = "paper",
    denominator_eps: float = 0.0,
) -> Tensor:
    """Assign K' anchors to each sample by Approach 1: K' slices of the scores, and K - K' damped ones.

    At convergence ``T = sigmoid((1 - mu) S / eps + alpha_n + beta_k)``, with rows that sum to K' and columns
    that sum to N K' / K. Exact to 1e-6 for scores up to 2^32 eps: logarithms are float64, and float32 scores
    are processed in float32 only where they are far from the ends of its range. Autocast is disabled; there
    is no gradient.

    Args:
        scores: ``(..., n, K)`` floating point, such as cosines; leading dimensions are separate problems.
            Each rank has its own n rows, possibly none; N is their number over all ranks.
        num_assigned: K', 1 to K.
        damping: mu, weight of the damped slices, 0 to 1.
        epsilon: eps, temperature of the scores.
        num_iterations: Rounds over anchors, samples and slices, with one all-reduce each.
        order: Order of the steps of a round: ``paper`` anchors, samples, slices (supplement, section 3);
            ``code`` samples, slices, anchors. Both end with a step over anchors and have the same limit.
        denominator_eps: Added to all denominators but the last; 1e-5 in the released code, where it changes
            the codes of peaked scores. 0 is the exact algorithm, and several times faster.

    Returns:
        T, ``(..., n, K)``, soft K'-hot codes: each row sums to K'. K' / K everywhere if K' = K or mu = 1.
        float64 for float64 scores, else float32.

    Raises:
        ValueError: On all ranks, if an argument is out of range, a score is NaN or above 2^32 eps, or no
            rank has any row.

    Example:
        Two of three anchors for each of two samples; all anchors are used for 2 * 2 / 3 samples.

        >>> codes = damped_multi_sinkhorn(torch.tensor([[0.9, 0.1, 0.4], [0.2, 0.8, 0.3]]), num_assigned=2)
        >>> codes.sum(1).round(decimals=3).tolist()
        [2.0, 2.0]
        >>> codes.argmax(1).tolist()
        [0, 1]
    """
    options = (epsilon, num_iterations, order, denominator_eps)
    _check(scores, num_assigned, *options, "damping", damping, "a number from 0 to 1 (paper: 0.25)")
    groups = [SliceGroup(1.0, num_assigned), SliceGroup(damping, scores.shape[-1] - num_assigned)]
    return _multi_sinkhorn(scores, num_assigned, groups, 1, two_weights, *options)


def graded_multi_sinkhorn(
    scores: Tensor,
    num_assigned: int,
    range_factor: float = 0.1,
    epsilon: float = 0.07,
    num_iterations: int = 20,
    order: Order = "paper",
    denominator_eps: float = 0.0,
) -> Tensor:
    """Assign K' anchors to each sample by Approach 2: slice i of K has weight ``eta + (1 - eta)(1 - i / K)``.

    The code is the sum of the K' slices of the largest weights. As all slices differ, time is O(N K^2) per
    iteration; memory is O(N K + K^2).

    Args:
        scores: As in :func:`damped_multi_sinkhorn`.
        num_assigned: K'.
        range_factor: eta, 0 to 1; at 1 all slices are equal.
        epsilon: eps.
        num_iterations: Number of rounds.
        order: Order of the steps of a round.
        denominator_eps: Added to the denominators.

    Returns:
        T, ``(..., n, K)``; K' / K everywhere for K' = K or eta = 1.

    Raises:
        ValueError: As in :func:`damped_multi_sinkhorn`.
    """
    options = (epsilon, num_iterations, order, denominator_eps)
    _check(scores, num_assigned, *options, "range_factor", range_factor, "a number from 0 to 1 (paper: 0.1)")
    num_anchors = scores.shape[-1]
    weights = [range_factor + (1 - range_factor) * (1 - i / num_anchors) for i in range(num_anchors)]
    groups = [SliceGroup(weight, 1) for weight in weights]
    return _multi_sinkhorn(scores, num_assigned, groups, num_assigned, distinct_slices, *options)


@torch.no_grad()
def _multi_sinkhorn(
    scores: Tensor,
    num_assigned: int,
    groups: Sequence[SliceGroup],
    chosen: int,
    loop: Loop,
    epsilon: float,
    num_iterations: int,
    order: Order,
    denominator_eps: float,
) -> Tensor:
    """Return the codes; ``loop`` makes them where it can, else ``step_by_step``."""
    shape = scores.shape
    dtype = torch.float64 if scores.dtype == torch.float64 else torch.float32
    flat = scores.to(dtype).reshape(math.prod(shape[:-2]), *shape[-2:]).contiguous()  # (L, n, K)
    num_samples = _count_rows(flat, epsilon)
    even = num_assigned == shape[-1] or len({group.weight for group in groups}) == 1
    if even or not len(flat):
        return torch.full(shape, num_assigned / shape[-1], dtype=dtype, device=scores.device)
    if denominator_eps or num_iterations == 1:
        loop = step_by_step
    with torch.autocast(scores.device.type, enabled=False):
        slices = AnchorSlices(flat, groups, chosen, epsilon, num_samples, denominator_eps)
        return loop(slices, num_iterations, order == "paper").view(shape)


def _check(
    scores: Tensor,
    num_assigned: int,
    epsilon: float,
    num_iterations: int,
    order: Order,
    denominator_eps: float,
    weight_name: str,
    weight: float,
    expected_weight: str,
) -> None:
    if scores.ndim < 2 or not scores.is_floating_point():
        raise ValueError(
            f"Multi-Sinkhorn: scores are {scores.dtype} of shape {tuple(scores.shape)}, expected floating "
            "point of shape (..., samples, anchors)"
        )
    num_anchors = scores.shape[-1]
    for name, value, holds, expected in (
        (weight_name, weight, 0 <= weight <= 1, expected_weight),
        (
            "num_assigned",
            num_assigned,
            1 <= num_assigned <= num_anchors,
            f"1 to {num_anchors}, the number of anchors",
        ),
        ("epsilon", epsilon, 0 < epsilon < math.inf, "a positive number (paper: 0.07)"),
        ("num_iterations", num_iterations, num_iterations >= 1, "at least 1 (paper: 20)"),
        ("order", order, order in get_args(Order), "'paper' or 'code'"),
        ("denominator_eps", denominator_eps, denominator_eps >= 0, "0, or 1e-5 as in the released code"),
    ):
        if not holds:
            raise ValueError(f"Multi-Sinkhorn: {name} is {value!r}, expected {expected}")


def _count_rows(scores: Tensor, epsilon: float) -> int:
    """Return N, the rows of each problem over all ranks; raise the same error on all ranks."""
    largest = torch.linalg.vector_norm(scores, torch.inf, dim=2).double() / epsilon
    bad = int((~(largest <= LARGEST_LOGIT)).any(0).sum())
    counts = torch.tensor([float(scores.shape[1]), float(bad)], dtype=torch.float64, device=scores.device)
    rows, bad_rows = all_reduce_sum_(counts).tolist()
    if bad_rows:
        raise ValueError(
            f"Multi-Sinkhorn: {int(bad_rows)} of {int(rows)} rows of the scores hold NaN, infinity or values "
            f"above {LARGEST_LOGIT:.0e} epsilon; expected cosines. Look for NaN in the features, or a "
            "learning rate that is too high."
        )
    if not rows:
        raise ValueError("Multi-Sinkhorn: the scores have no rows on any rank; expected at least one sample")
    return int(rows)
