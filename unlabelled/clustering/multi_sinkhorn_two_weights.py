"""The iterations of Multi-Assignment Sinkhorn-Knopp for slices of two weights, in O(N K) time and memory.

All undamped slices are equal, and so are all damped ones. After a step over slices, an entry (sample, anchor)
has mass ``p = sigmoid(z)`` in the undamped slices together and ``q = 1 - p`` in the damped ones, where
``z[n, k] = slope S[n, k] + alpha[n] + beta[k]``. A round is two sums of p and two of q::

    alpha += log(sum_k q) - log(sum_k p)          P, Q: these sums over the anchors
    beta  += log(sum_n q / Q) - log(sum_n p / P) + log(K' / (K - K'))

Source: ours; docs/methods/sspc.md#multi-sk.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unlabelled.clustering.multi_sinkhorn_slices import AnchorSlices, first_steps, tiles
from unlabelled.distributed import all_reduce_max_, all_reduce_sum_

# Largest exponent in float32, whose range ends at 88: an entry times one of its factors must stay within it.
_LARGEST_EXPONENT = 80.0
_SATURATED = 1e30  # larger odds give the same p, and stay finite


def two_weights(slices: AnchorSlices, num_iterations: int, paper: bool) -> Tensor:
    """Return ``T (L, n, K)`` for undamped and damped slices, in this order."""
    remaining = first_steps(slices, num_iterations, paper)
    logits = _Logits(slices)
    codes = _by_factors(slices, logits, remaining) if slices.scores.dtype == torch.float32 else None
    return codes if codes is not None else _by_logits(slices, logits, remaining)


class _Logits:
    """z, ``(L, rows, K)`` float64, of some samples at a time; each call overwrites the last result."""

    def __init__(self, slices: AnchorSlices) -> None:
        self.log_odds = math.log(float(slices.counts[0] / slices.counts[1]))
        self.alpha = slices.row[0] - slices.row[1]  # (L, n)
        self.beta = slices.column[0] - slices.column[1] + self.log_odds  # (L, K)
        self._scores, self._slope = slices.scores, float(slices.slopes[0] - slices.slopes[1])
        self.tiles = tiles(self._scores, 1)
        self.largest_tile = self._scores[:, self.tiles[0]] if self.tiles else self._scores
        self._work = torch.empty_like(self.largest_tile, dtype=torch.float64)

    def __call__(self, rows: slice) -> Tensor:
        out = self._work[:, : rows.stop - rows.start]
        torch.add(self.alpha[:, rows, None], self._scores[:, rows], alpha=self._slope, out=out)
        return out.add_(self.beta[:, None])


def _by_logits(slices: AnchorSlices, logits: _Logits, rounds: int) -> Tensor:
    """Iterate in float64, with a sigmoid per entry and round."""
    for _ in range(rounds):
        sums = logits.beta.new_zeros((2, *logits.beta.shape))
        for rows in logits.tiles:
            p = logits(rows).sigmoid_()
            undamped = p.sum(2)  # (L, rows)
            damped = p.shape[2] - undamped
            weights = torch.stack([undamped, damped], 1).reciprocal_()  # (L, 2, rows)
            parts = weights @ p  # (L, 2, K)
            sums[0] += parts[:, 0]
            sums[1] += weights[:, 1].sum(1, keepdim=True) - parts[:, 1]
            logits.alpha[:, rows] += (damped / undamped).log_()
        log_sums = all_reduce_sum_(sums).log_()
        logits.beta += log_sums[1] - log_sums[0] + logits.log_odds
    codes = torch.empty_like(slices.scores)
    for rows in logits.tiles:
        p = logits(rows).sigmoid_()
        codes[:, rows] = p.mul_(slices.counts[0] / p.sum(2, keepdim=True))
    return codes


def _by_factors(slices: AnchorSlices, logits: _Logits, rounds: int) -> Tensor | None:
    """Iterate in float32 with ``exp(z)`` as a product, without exponentials; ``None`` beyond its range.

    p and q both keep their relative precision. The codes overwrite the first odds.
    """
    odds = torch.empty_like(slices.scores)
    exponent = odds.new_zeros((), dtype=torch.float64)
    for rows in logits.tiles:
        z = logits(rows)
        exponent = torch.maximum(exponent, torch.linalg.vector_norm(z, torch.inf))
        odds[:, rows] = z.exp_()
    if _is_out_of_range(exponent):
        return None
    alpha, beta = odds.new_ones(odds.shape[:2]), torch.zeros_like(logits.beta)  # a factor; a logarithm
    largest, work = exponent.new_zeros(()), [torch.empty_like(logits.largest_tile) for _ in range(2)]
    for _ in range(rounds):
        sums = beta.new_zeros((2, *beta.shape))
        column = beta.exp().float()
        for rows in logits.tiles:
            p, q = _split(odds[:, rows], alpha[:, rows], column, work)
            undamped, damped = p.sum(2), q.sum(2)  # (L, rows)
            # A matrix product would add thousands of rows in sequence, in float32.
            sums[0] += p.mul_(undamped.reciprocal()[..., None]).sum(1)
            sums[1] += q.mul_(damped.reciprocal()[..., None]).sum(1)
            alpha[:, rows] *= damped / undamped
            largest = torch.maximum(largest, torch.linalg.vector_norm(alpha[:, rows].log(), torch.inf))
        log_sums = all_reduce_sum_(sums).log_()
        beta += log_sums[1] - log_sums[0] + logits.log_odds
        largest = torch.maximum(largest, beta.abs().amax())
    if _is_out_of_range(exponent + largest):
        return None
    column = beta.exp().float()
    for rows in logits.tiles:
        p, _ = _split(odds[:, rows], alpha[:, rows], column, work)
        odds[:, rows] = p.mul_(slices.counts[0] / p.sum(2, keepdim=True))
    return odds


def _is_out_of_range(exponent: Tensor) -> bool:
    # The maximum over the ranks may lose a NaN, but no infinity: all ranks must take the same way.
    return float(all_reduce_max_(exponent.nan_to_num(nan=torch.inf))) > _LARGEST_EXPONENT


def _split(odds: Tensor, alpha: Tensor, column: Tensor, work: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return p and q ``(L, rows, K)`` float32, written into ``work``."""
    p, q = (space[:, : odds.shape[1]] for space in work)
    torch.mul(odds, alpha[..., None], out=p).mul_(column[:, None]).clamp_(max=_SATURATED)
    torch.add(p, 1, out=q).reciprocal_()
    return p.mul_(q), q
