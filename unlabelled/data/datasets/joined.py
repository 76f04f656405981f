"""Several data sets one after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from unlabelled.data.datasets.samples import SampleDataset


class JoinedDataset(SampleDataset):
    """The rows of several data sets, one after the other.

    Args:
        parts: The data sets.
    """

    def __init__(self, parts: Sequence[SampleDataset]) -> None:
        self.parts = list(parts)
        self._ends = list(accumulate(len(part) for part in parts))

    def __len__(self) -> int:
        return self._ends[-1]

    def path(self, row: int) -> str:
        """Return the file of one row, or another name for it."""
        part, own = self._part(row)
        return part.path(own)

    def read(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        """Return the tensors of one row."""
        part, own = self._part(row)
        return part.read(own, rng)

    def _part(self, row: int) -> tuple[SampleDataset, int]:
        number = bisect_right(self._ends, row)
        return self.parts[number], row - (self._ends[number - 1] if number else 0)
