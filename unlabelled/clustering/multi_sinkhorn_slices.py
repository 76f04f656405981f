"""The slices of Multi-Assignment Sinkhorn-Knopp as scaling factors, in the log domain.

Multi-SK makes K slices of the scores S, ``exp(w_m S / eps)``, and scales the tensor of slices, samples and
anchors along one axis after the other. Each step multiplies by factors per (slice, sample), per (slice,
anchor) or per (sample, anchor)::

    Q[m, n, k] = exp(w_m S[n, k] / eps + row[m, n] + column[m, k] + depth[n, k])

So the K x N x K tensor is never built; slices of equal weight stay equal and are kept once, with a
multiplicity. Arithmetic is float64 for scores of any type, as logits are as large as 1 / eps = 500.
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
    """Cut the n rows of ``scores (L, n, K)`` such that float64 ``(slices, L, rows, K)`` stays small."""
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
        denominator_eps: Added to every sum before dividing by it, 1e-5 in the released code; 0: exact.

    Attributes:
        row: ``(M, L, n)`` float64.
        column: ``(M, L, K)`` float64.
        depth: ``(L, n, K)`` float64; ``None`` before the first step over slices.

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
        self._log_eps = math.log(denominator_eps) if denominator_eps else -math.inf
        if denominator_eps:  # the released code divides by the sum over everything; without it that cancels
            self.column -= self._log_total()

    def tiles(self) -> list[slice]:
        """Return slices that cover the samples, a few rows at a time."""
        return tiles(self.scores, len(self.slopes))

    def log_q(self, rows: slice) -> Tensor:
        """Return ``log Q (M, L, rows, K)`` of some of the samples."""
        slopes = self.slopes.view(-1, 1, 1, 1)
        log_q: Tensor = slopes * self.scores[:, rows]
        log_q.add_(self.row[:, :, rows, None]).add_(self.column[:, :, None])
        return log_q if self.depth is None else log_q.add_(self.depth[:, rows])

    def over_anchors(self) -> None:
        """Scale such that each slice's anchors sum to 1 for each sample (the k-step)."""
        for rows in self.tiles():
            self.row[:, :, rows] -= self._denominator(self.log_q(rows).logsumexp(3))

    def over_samples(self) -> None:
        """Scale such that each slice gives each anchor N / K samples (the n-step)."""
        share = math.log(self.num_samples / self.scores.shape[2])
        self.column -= self._denominator(self._column_sums()) - share

    def over_slices(self) -> None:
        """Scale such that a sample uses each anchor once over all slices (the m-step)."""
        depth = self.depth if self.depth is not None else self.scores.new_zeros(1, dtype=torch.float64)
        depth = depth.expand(self.scores.shape).clone()
        log_counts = self.counts.log().view(-1, 1, 1, 1)
        for rows in self.tiles():
            depth[:, rows] -= self._denominator((self.log_q(rows) + log_counts).logsumexp(0))
        self.depth = depth

    def _denominator(self, log_sum: Tensor) -> Tensor:
        return torch.logaddexp(log_sum, torch.full_like(log_sum, self._log_eps))

    def _column_sums(self) -> Tensor:
        """Return the log sums over the samples of all ranks, ``(M, L, K)``."""
        sums = torch.full_like(self.column, -math.inf)
        for rows in self.tiles():
            sums = torch.logaddexp(sums, self.log_q(rows).logsumexp(2))
        largest = all_reduce_max_(sums.clone())
        return all_reduce_sum_((sums - largest).exp_()).log_() + largest

    def _log_total(self) -> Tensor:
        """Return the log sum over everything, ``(1, L, 1)``."""
        counted = self._column_sums() + self.counts.log().view(-1, 1, 1)
        return counted.logsumexp((0, 2), keepdim=True)
