"""The iterations of Multi-Assignment Sinkhorn-Knopp, for slices of any weights.

After a step over slices, Q is a soft-max over the slices, which needs nothing but the factors per (slice,
sample) and per (slice, anchor): loops keep only those. They take plain sums: once each sample's anchors and
then each anchor's samples have been balanced, every sum has a term above 1 / (N K^2), whatever eps is. Only
the first steps, from the scores as they are, need the log domain.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.clustering.multi_sinkhorn_slices import AnchorSlices
from unlabelled.distributed import all_reduce_sum_


def step_by_step(slices: AnchorSlices, num_iterations: int, paper: bool) -> Tensor:
    """Return ``T (L, n, K)``, each step in the log domain: slower, for all that the loops cannot do."""
    steps = [slices.over_samples, slices.over_slices]
    steps = [slices.over_anchors, *steps] if paper else [*steps, slices.over_anchors]
    for _ in range(num_iterations):
        for step in steps:
            step()
    codes = torch.empty_like(slices.scores)
    counts = slices.counts[: slices.chosen].view(-1, 1, 1, 1)
    for rows in slices.tiles():
        codes[:, rows] = (slices.log_q(rows)[: slices.chosen].softmax(3) * counts).sum(0)
    return codes


def begin(slices: AnchorSlices, num_iterations: int, paper: bool) -> int:
    """Take the first steps; return how many rounds over slices, anchors and samples remain.

    Both orders go round the same circle; the paper's begins one step earlier. In the code's order, which
    needs two iterations here, a sample may be far from every anchor until its first step over anchors.
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
    remaining = begin(slices, num_iterations, paper)
    slices.depth = None  # the soft-max over the slices makes up for it
    for _ in range(remaining):
        sums = torch.zeros_like(slices.column)
        for rows in slices.tiles():
            q = slices.log_q(rows).softmax(0)
            anchors = q.sum(3)  # (M, L, rows)
            slices.row[:, :, rows] -= anchors.log()
            sums += (anchors.reciprocal_()[:, :, None] @ q)[:, :, 0]
        slices.column -= all_reduce_sum_(sums).log_()
    codes = torch.empty_like(slices.scores)
    for rows in slices.tiles():
        q = slices.log_q(rows).softmax(0)[: slices.chosen]
        codes[:, rows] = q.div_(q.sum(3, keepdim=True)).sum(0)
    return codes
