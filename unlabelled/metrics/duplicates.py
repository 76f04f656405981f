"""Exact copies among rows that are spread over all ranks."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.distributed import gather_rows
from unlabelled.seeding import torch_generator

_CHUNK = 1 << 18  # numbers whose codes are in the making at a time
_MIX = 0x5851F42D4C957F2D


def row_codes(rows: Tensor) -> Tensor:
    """Return ``(n,)`` int64: equal for rows that are equal in every bit, else different.

    A code is a random linear combination, modulo 2**64, of the mixed bits of a row's numbers: among a million
    rows, two that differ share a code by chance in 3 of 10**8 cases. Where a row stands does not matter.

    Args:
        rows: ``(n, D)`` float32 or float64.
    """
    generator = torch_generator("codes of rows")
    weights = torch.randint(-(2**63), 2**63 - 1, (rows.shape[1],), generator=generator).to(rows.device) | 1
    step = max(1, _CHUNK // max(1, rows.shape[1]))
    codes = [_coded(part, weights) for part in torch.split(rows, step)]
    return torch.cat(codes) if codes else weights.new_empty(0)


def _coded(rows: Tensor, weights: Tensor) -> Tensor:
    positive = rows + 0.0  # no negative zero
    bits = positive.view(torch.int32).long() if rows.dtype == torch.float32 else positive.view(torch.int64)
    mixed = bits * _MIX
    mixed ^= mixed >> 29  # numbers with few digits end in zeros, which a product alone leaves there
    return mixed.mul_(weights).sum(1)


def count_copies(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Return how many rows of all ranks have each of this rank's codes ``(n,)``, and all codes ``(N,)``.

    The latter are in order of rank.
    """
    everything = gather_rows(codes)
    distinct, counts = torch.unique(everything, return_counts=True)
    return counts[torch.searchsorted(distinct, codes)], everything
