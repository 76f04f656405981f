"""Shares of rows in a mean over all ranks, such that DDP's mean of gradients is the gradient of the mean."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_sum_, world_size


def counted_rows(values: Tensor, counted: Tensor) -> Tensor:
    """Return ``values (B, ...)`` with zeros in the rows that do not count.

    Such a row may hold NaN, which would reach the gradient even where its loss has a weight of 0.

    Args:
        values: Rows.
        counted: ``(B,)`` bool.
    """
    return values.masked_fill(~counted.view(-1, *[1] * (values.ndim - 1)), 0)


@torch.no_grad()
def row_shares(weight: Tensor) -> Tensor:
    """Return each row's share of a weighted mean over all ranks, ``(B,)``, in float32 at least.

    ``(shares * values).sum()`` on each rank has, as its mean over the ranks, the weighted mean of the values
    of all ranks' rows, however unevenly the weights are spread.

    Args:
        weight: ``(B,)``, not negative; or bool, True for rows that count.

    Returns:
        ``weight * ranks / total``; zeros where the total over all ranks is 0.
    """
    weight = weight if weight.dtype == torch.float64 else weight.float()
    total = all_reduce_sum_(weight.sum(dtype=torch.float64))
    scale = torch.where(total > 0, world_size() / total, 0.0)
    return weight * scale.to(weight.dtype)
