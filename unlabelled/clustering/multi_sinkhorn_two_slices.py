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

from unlabelled.clustering.multi_sinkhorn_iterations import begin
from unlabelled.clustering.multi_sinkhorn_slices import AnchorSlices, tiles
from unlabelled.distributed import all_reduce_max_, all_reduce_sum_

# Of the exponents of float32, which end at 88: an entry and one of its factors must not leave them together.
_REACH = 80.0
_SATURATED = 1e30  # odds above are as good as certain, and finite


def two_groups(slices: AnchorSlices, num_iterations: int, paper: bool) -> Tensor:
    """Return ``T (L, n, K)`` for undamped and damped slices, in this order."""
    remaining = begin(slices, num_iterations, paper)
    logits = _Logits(slices)
    codes = _by_factors(slices, logits, remaining) if slices.scores.dtype == torch.float32 else None
    return codes if codes is not None else _by_logits(slices, logits, remaining)


class _Logits:
    """z, ``(L, rows, K)`` float64, of some samples at a time, each in the place of the last."""

    def __init__(self, slices: AnchorSlices) -> None:
        self.log_odds = math.log(float(slices.counts[0] / slices.counts[1]))
        self.alpha = slices.row[0] - slices.row[1]  # (L, n)
        self.beta = slices.column[0] - slices.column[1] + self.log_odds  # (L, K)
        self.tiles = tiles(slices.scores, 1)
        self._scores, self._slope = slices.scores, float(slices.slopes[0] - slices.slopes[1])
        self._work = self.room(torch.float64)

    def room(self, dtype: torch.dtype) -> Tensor:
        """Return a tensor for the largest tile."""
        largest = self._scores[:, self.tiles[0]] if self.tiles else self._scores
        return torch.empty_like(largest, dtype=dtype)

    def __call__(self, rows: slice) -> Tensor:
        out = self._work[:, : rows.stop - rows.start]
        torch.add(self.alpha[:, rows, None], self._scores[:, rows], alpha=self._slope, out=out)
        return out.add_(self.beta[:, None])


def _by_logits(slices: AnchorSlices, logits: _Logits, rounds: int) -> Tensor:
    """Go on in float64, with a sigmoid per entry and round."""
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
    """Go on in float32 with ``exp(z)`` as a product, without any exponential; ``None`` beyond its range.

    p and q both keep their relative precision. The first odds are where the codes will be.
    """
    odds = torch.empty_like(slices.scores)
    reach = odds.new_zeros((), dtype=torch.float64)
    for rows in logits.tiles:
        z = logits(rows)
        reach = torch.maximum(reach, torch.linalg.vector_norm(z, torch.inf))
        odds[:, rows] = z.exp_()
    if not _within_reach(reach):
        return None
    alpha, beta = odds.new_ones(odds.shape[:2]), torch.zeros_like(logits.beta)  # a factor; a logarithm
    split, largest = _Split(logits), reach.new_zeros(())
    for _ in range(rounds):
        sums = beta.new_zeros((2, *beta.shape))
        column = beta.exp().float()
        for rows in logits.tiles:
            p, q = split(odds[:, rows], alpha[:, rows], column)
            undamped, damped = p.sum(2), q.sum(2)  # (L, rows)
            # Not a product of matrices: that adds thousands of rows one to the other in float32.
            sums[0] += p.mul_(undamped.reciprocal()[..., None]).sum(1)
            sums[1] += q.mul_(damped.reciprocal()[..., None]).sum(1)
            alpha[:, rows] *= damped / undamped
            largest = torch.maximum(largest, torch.linalg.vector_norm(alpha[:, rows].log(), torch.inf))
        log_sums = all_reduce_sum_(sums).log_()
        beta += log_sums[1] - log_sums[0] + logits.log_odds
        largest = torch.maximum(largest, beta.abs().amax())
    if not _within_reach(reach + largest):
        return None
    column = beta.exp().float()
    for rows in logits.tiles:
        p, _ = split(odds[:, rows], alpha[:, rows], column)
        odds[:, rows] = p.mul_(slices.counts[0] / p.sum(2, keepdim=True))
    return odds


def _within_reach(exponent: Tensor) -> bool:
    # Reducing a maximum may lose a NaN, but no infinity: all ranks must come to the same answer.
    return float(all_reduce_max_(exponent.nan_to_num(nan=torch.inf))) <= _REACH


class _Split:
    """p and q ``(L, rows, K)`` float32 from products of odds, each in the place of the last."""

    def __init__(self, logits: _Logits) -> None:
        self._p, self._q = logits.room(torch.float32), logits.room(torch.float32)

    def __call__(self, odds: Tensor, alpha: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        num_rows = odds.shape[1]
        odds = torch.mul(odds, alpha[..., None], out=self._p[:, :num_rows])
        odds.mul_(column[:, None]).clamp_(max=_SATURATED)
        q = torch.add(odds, 1, out=self._q[:, :num_rows]).reciprocal_()
        return odds.mul_(q), q
