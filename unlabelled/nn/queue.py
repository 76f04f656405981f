"""Queues of embeddings of earlier steps."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FeatureQueue(nn.Module):
    """A ring buffer of the last M embeddings, first in, first out.

    Its initial rows are random directions, so that the first steps contrast with noise.

    Args:
        size: M.
        dim: D.

    Attributes:
        rows: ``(M, D)`` float32, normalised.
        pointer: Index of the next row to write, an integer tensor.

    Raises:
        ValueError: ``size`` is below 1.

    Source: He et al. 2020 (arXiv:1911.05722); docs/methods/sce.md#queue-and-target-network.

    Example:
        >>> queue = FeatureQueue(size=3, dim=1)
        >>> queue.push(torch.tensor([[1.0], [2.0]]))
        >>> queue.push(torch.tensor([[3.0], [4.0]]))
        >>> queue.rows.flatten().tolist()
        [4.0, 2.0, 3.0]
    """

    rows: Tensor
    pointer: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"{type(self).__name__}: size={size}, expected at least 1 row")
        self.register_buffer("rows", self._first_rows(size, dim))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))

    def _first_rows(self, size: int, dim: int) -> Tensor:
        return F.normalize(torch.randn(size, dim), dim=1)

    def __len__(self) -> int:
        return len(self.rows)

    @torch.no_grad()
    def push(self, rows: Tensor, unless: Tensor | None = None) -> None:
        """Replace the n oldest rows by ``rows (n, D)``; of more than M, the last M are kept.

        Args:
            rows: The new rows.
            unless: Boolean ``()`` on the device of the queue: if true, nothing changes. It is not read on
                the host.
        """
        count, size = len(rows), len(self)
        slots = ((self.pointer + torch.arange(count, device=rows.device)) % size)[-size:]
        latest = rows[-size:].to(self.rows.dtype)
        if unless is not None:
            latest = torch.where(unless, self.rows[slots], latest)
        self.rows.index_copy_(0, slots, latest)
        self._advance(count if unless is None else count * ~unless)

    def _advance(self, count: Tensor | int) -> None:
        self.pointer.add_(count).remainder_(len(self))


class FillingQueue(FeatureQueue):
    """A queue that starts empty and counts how many of its rows are filled.

    Args:
        size: M.
        dim: D.

    Attributes:
        rows: ``(M, D)`` float32, as they were pushed; zeros where nothing was pushed yet.
        filled: Rows pushed so far, at most M, as an integer tensor.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/loss/combinatorial_loss.py
    (AncSimilarityLoss), whose queues start with random rows; docs/methods/sspc.md#queues.
    """

    filled: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__(size, dim)
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))
        self._num_filled: int | None = 0  # None: as in the buffer

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._num_filled = None

    def _first_rows(self, size: int, dim: int) -> Tensor:
        return torch.zeros(size, dim)

    def _advance(self, count: Tensor | int) -> None:
        super()._advance(count)
        known = min(self.num_filled + count, len(self)) if isinstance(count, int) else None
        self.filled.add_(count).clamp_(max=len(self))
        if self._num_filled != len(self):
            self._num_filled = known

    @property
    def num_filled(self) -> int:
        """Number of filled rows.

        It is read from the device only after a checkpoint was loaded, and while steps may be left out.
        """
        if self._num_filled is None:
            self._num_filled = int(self.filled)
        return self._num_filled

    @property
    def filled_rows(self) -> Tensor:
        """The filled rows ``(filled, D)``, a view; once the queue is full, they are not ordered by age."""
        return self.rows[: self.num_filled]

    @property
    def is_full(self) -> bool:
        """True once M rows were pushed."""
        return self.num_filled == len(self)
