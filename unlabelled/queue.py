"""A queue of features of earlier steps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FeatureQueue(nn.Module):
    """The last M features, first in, first out, in a ring.

    It starts with random directions, so that the first steps contrast against noise.

    Args:
        size: M.
        dim: D.

    Attributes:
        rows: ``(M, D)`` float32, normalised.
        pointer: Where the next row goes, as an integer tensor.

    Raises:
        ValueError: ``size`` is below 1.

    Source: He et al. 2020 (arXiv:1911.05722); reference sce.md section 1.3.
    """

    rows: Tensor
    pointer: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"a queue needs at least 1 row, got size={size}")
        self.register_buffer("rows", F.normalize(torch.randn(size, dim), dim=1))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        return len(self.rows)

    @torch.no_grad()
    def push(self, rows: Tensor) -> None:
        """Let ``rows (n, D)`` take the place of the n oldest; of more than M, the last M stay."""
        count, size = len(rows), len(self)
        slots = (self.pointer + torch.arange(count, device=rows.device)) % size
        self.rows.index_copy_(0, slots[-size:], rows[-size:].to(self.rows.dtype))
        self.pointer.add_(count).remainder_(size)
