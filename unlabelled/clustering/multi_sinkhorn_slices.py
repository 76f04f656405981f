"""The slices of Multi-Assignment Sinkhorn-Knopp as scaling factors, and the iterations for any weights.

Multi-SK makes K slices of the scores S, ``exp(w_m S / eps)``, and scales the tensor of slices, samples and
anchors along one axis after the other. Each step multiplies by factors per (slice, sample), per (slice,
anchor) or per (sample, anchor)::

    Q[m, n, k] = exp(w_m S[n, k] / eps + row[m, n] + column[m, k] + depth[n, k])

So the K x N x K tensor is never built. Slices of equal weight stay equal and are stored once, with a
multiplicity. All scores are computed with in float64, because logits are as large as 1 / eps = 500.

After a step over slices, Q is a softmax over the slices, which only requires the factors per (slice, sample)
and per (slice, anchor): the loops store only those. Their sums need no logarithms: once each sample's anchors
and then each anchor's samples have been balanced, every sum has a term above 1 / (N K^2) for any eps. Only
the first steps, from the unscaled scores, need the log domain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_max_, all_reduce_sum_

TILE_BYTES = 1 << 20  # with its copies, about a core's second-level cache
DEVICE_TILE_BYTES = 1 << 28  # few large operations are faster on an accelerator


class SliceGroup(NamedTuple):
    """Slices of one weight.

    Attributes:
        weight: w_m.
        multiplicity: Number of slices with this weight.
    """

    weight: float
    multiplicity: int


def tiles(scores: Tensor, slices: int) -> list[slice]:
    """Divide the n rows of ``scores (L, n, K)`` such that float64 ``(slices, L, rows, K)`` stays small."""
    matrices, num_rows, num_anchors = scores.shape
    budget = TILE_BYTES if scores.device.type == "cpu" else DEVICE_TILE_BYTES
    step = max(1, budget // max(1, 8 * slices * matrices * num_anchors))
    return [slice(start, min(start + step, num_rows)) for start in range(0, num_rows, step)]


class AnchorSlices:
    """The tensor Q of M groups of slices, and the three steps that scale it.

    Args:
        scores: ``(L, n, K)`` float32 or float64, finite: L problems with this rank's n samples each.
        groups: The M groups of slices.
        chosen: Number of groups, from the first on, whose sum is the code.
        epsilon: eps.
        num_samples: N, samples over all ranks.
        denominator_eps: Added to each sum before the division by it, 1e-5 in the released code; 0: exact.

    Attributes:
        row: ``(M, L, n)`` float64.
        column: ``(M, L, K)`` float64.
        depth: ``(L, n, K)`` float64; ``None`` before the first step over slices.
        tiles: Slices of the rows, a few rows each.

    Source: SSPC supplement, sections 2.1 and 3; docs/methods/sspc.md#multi-sk.
    """

    def __init__(
        self,
        scores: Tensor,
        groups: Sequence[SliceGroup],
        chosen: int,
        epsilon: float,
        num_samples: int,
        denominator_eps: float = 0.0,
    ) -> None:
        self.scores, self.chosen, self.num_samples = scores, chosen, num_samples
        matrices, num_rows, num_anchors = scores.shape
        self.slopes = scores.new_tensor([group.weight / epsilon for group in groups], dtype=torch.float64)
        self.counts = scores.new_tensor([group.multiplicity for group in groups], dtype=torch.float64)
        self.row = scores.new_zeros((len(groups), matrices, num_rows), dtype=torch.float64)
        self.column = scores.new_zeros((len(groups), matrices, num_anchors), dtype=torch.float64)
        self.depth: Tensor | None = None
        self.tiles = tiles(scores, len(groups))
        self._log_eps = scores.new_tensor(denominator_eps, dtype=torch.float64).log()  # -inf: adds nothing
        if denominator_eps:  # the released code divides by the sum of all entries; otherwise that cancels
            counted = self._log_sums_over_samples() + self.counts.log().view(-1, 1, 1)
            self.column -= counted.logsumexp((0, 2), keepdim=True)

    def log_q(self, rows: slice) -> Tensor:
        """Return ``log Q (M, L, rows, K)`` of some of the samples."""
        slopes = self.slopes.view(-1, 1, 1, 1)
        log_q: Tensor = slopes * self.scores[:, rows]
        log_q.add_(self.row[:, :, rows, None]).add_(self.column[:, :, None])
        return log_q if self.depth is None else log_q.add_(self.depth[:, rows])

    def over_anchors(self) -> None:
        """Scale such that each slice's anchors sum to 1 for each sample (the k-step)."""
        for rows in self.tiles:
            self.row[:, :, rows] -= torch.logaddexp(self.log_q(rows).logsumexp(3), self._log_eps)

    def over_samples(self) -> None:
        """Scale such that each slice gives each anchor N / K samples (the n-step)."""
        share = math.log(self.num_samples / self.scores.shape[2])
        self.column -= torch.logaddexp(self._log_sums_over_samples(), self._log_eps) - share

    def over_slices(self) -> None:
        """Scale such that a sample uses each anchor once over all slices (the m-step)."""
        depth = self.depth if self.depth is not None else self.scores.new_zeros(1, dtype=torch.float64)
        depth = depth.expand(self.scores.shape).clone()
        log_counts = self.counts.log().view(-1, 1, 1, 1)
        for rows in self.tiles:
            log_sum = (self.log_q(rows) + log_counts).logsumexp(0)
            depth[:, rows] -= torch.logaddexp(log_sum, self._log_eps)
        self.depth = depth

    def _log_sums_over_samples(self) -> Tensor:
        """Return the log sums over the samples of all ranks, ``(M, L, K)``."""
        sums = torch.full_like(self.column, -math.inf)
        for rows in self.tiles:
            sums = torch.logaddexp(sums, self.log_q(rows).logsumexp(2))
        largest = all_reduce_max_(sums.clone())
        return all_reduce_sum_((sums - largest).exp_()).log_() + largest


def step_by_step(slices: AnchorSlices, num_iterations: int, paper: bool) -> Tensor:
    """Return ``T (L, n, K)``, with each step in the log domain.

    Slower than the other loops, which require two iterations and no ``denominator_eps``.
    """
    steps = [slices.over_samples, slices.over_slices]
    steps = [slices.over_anchors, *steps] if paper else [*steps, slices.over_anchors]
    for _ in range(num_iterations):
        for step in steps:
            step()
    codes = torch.empty_like(slices.scores)
    counts = slices.counts[: slices.chosen].view(-1, 1, 1, 1)
    for rows in slices.tiles:
        codes[:, rows] = (slices.log_q(rows)[: slices.chosen].softmax(3) * counts).sum(0)
    return codes


def first_steps(slices: AnchorSlices, num_iterations: int, paper: bool) -> int:
    """Take the steps that need the log domain; return the number of remaining rounds.

    A remaining round is a step over slices, one over anchors and one over samples.

    Both orders repeat the same cycle, in which the paper's order starts one step earlier. The code's order
    requires two iterations here, since a sample may be far from all anchors until its first step over
    anchors.
    """
    if paper:
        slices.over_anchors()
        slices.over_samples()
        return num_iterations - 1
    for step in (slices.over_samples, slices.over_slices, slices.over_anchors, slices.over_samples):
        step()
    return num_iterations - 2


def distinct_slices(slices: AnchorSlices, num_iterations: int, paper: bool) -> Tensor:
    """Return ``T (L, n, K)`` for slices that all differ; time O(N K^2) per iteration, memory O(N K + K^2)."""
    remaining = first_steps(slices, num_iterations, paper)
    slices.depth = None  # the softmax over the slices replaces it
    for _ in range(remaining):
        sums = torch.zeros_like(slices.column)
        for rows in slices.tiles:
            q = slices.log_q(rows).softmax(0)
            anchors = q.sum(3)  # (M, L, rows)
            slices.row[:, :, rows] -= anchors.log()
            sums += (anchors.reciprocal_()[:, :, None] @ q)[:, :, 0]
        slices.column -= all_reduce_sum_(sums).log_()
    codes = torch.empty_like(slices.scores)
    for rows in slices.tiles:
        q = slices.log_q(rows).softmax(0)[: slices.chosen]
        codes[:, rows] = q.div_(q.sum(3, keepdim=True)).sum(0)
    return codes
