"""Localisation maps with NaN or infinity, which all ranks refuse together."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_sum_
from unlabelled.metrics.localisation import broken_maps, refuse_broken


class FiniteMaps:
    """Count maps with NaN or infinity over an evaluation.

    A rank that refused its own maps at once would leave the others waiting for it.
    """

    def __init__(self) -> None:
        self._broken = self._count = 0

    def add(self, maps: Tensor) -> Tensor:
        """Count maps ``(n, H, W)``; return them with zeros in place of those that are not finite."""
        broken = broken_maps(maps)
        self._broken += int(broken.sum())
        self._count += len(maps)
        return maps.masked_fill(broken[:, None, None], 0)

    def check(self, device: torch.device) -> None:
        """Compare the counts of all ranks; to be called on each.

        Raises:
            ValueError: Some maps are not finite; on all ranks.
        """
        broken, count = all_reduce_sum_(torch.tensor([self._broken, self._count], device=device)).tolist()
        refuse_broken(broken, count)
