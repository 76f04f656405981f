"""Multi-SK step by step on the whole K x N x K tensor (SSPC supplement, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def damped_weights(num_anchors: int, num_assigned: int, damping: float = 0.25) -> list[float]:
    return [1.0] * num_assigned + [damping] * (num_anchors - num_assigned)


def graded_weights(num_anchors: int, range_factor: float = 0.1) -> list[float]:
    return [range_factor + (1 - range_factor) * (1 - i / num_anchors) for i in range(num_anchors)]


def direct_slices(
    scores: Tensor,
    weights: Sequence[float],
    epsilon: float = 0.07,
    num_iterations: int = 20,
    order: str = "paper",
    denominator_eps: float = 0.0,
) -> Tensor:
    """Return Q ``(slices, N, K)`` float64."""
    num_samples, num_anchors = scores.shape
    logits = torch.tensor(weights, dtype=torch.float64)[:, None, None] * scores.double() / epsilon
    q = (logits - logits.max()).exp()  # the maximum cancels in the division by the total
    q = q / q.sum()

    def samples(q: Tensor) -> Tensor:
        return q / (q.sum(1, keepdim=True) + denominator_eps) * (num_samples / num_anchors)

    def slices(q: Tensor) -> Tensor:
        return q / (q.sum(0, keepdim=True) + denominator_eps)

    def anchors(q: Tensor) -> Tensor:
        return q / (q.sum(2, keepdim=True) + denominator_eps)

    steps = {"paper": (anchors, samples, slices), "code": (samples, slices, anchors)}[order]
    for _ in range(num_iterations):
        for step in steps:
            q = step(q)
    return q / q.sum(2, keepdim=True)


def direct_in_logs(
    scores: Tensor, weights: Sequence[float], epsilon: float, num_iterations: int = 20, order: str = "paper"
) -> Tensor:
    """Return the same Q for scores so peaked that it underflows."""
    q = torch.tensor(weights, dtype=torch.float64)[:, None, None] * scores.double() / epsilon
    axes = {"paper": (2, 1, 0), "code": (1, 0, 2)}[
        order
    ] * num_iterations  # shares are constants: they cancel
    for axis in axes:
        q = q - q.logsumexp(axis, keepdim=True)
    return (q - q.logsumexp(2, keepdim=True)).exp()


def direct(scores: Tensor, num_assigned: int, weights: Sequence[float], **options: object) -> Tensor:
    """Return T ``(N, K)`` float64."""
    return direct_slices(scores, weights, **options)[:num_assigned].sum(0)


def cosines(num_samples: int, num_anchors: int, seed: int = 0, dim: int = 16) -> Tensor:
    """Return cosines ``(N, K)`` float32 of random directions."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.nn.functional.normalize(torch.randn(num_samples, dim, generator=generator), dim=1)
    anchors = torch.nn.functional.normalize(torch.randn(num_anchors, dim, generator=generator), dim=1)
    return rows @ anchors.T
