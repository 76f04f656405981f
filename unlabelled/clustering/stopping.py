"""When Sinkhorn-Knopp has converged: small rules that are handed to the solver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """State after one Sinkhorn-Knopp iteration.

    Args:
        iteration: Index of the iteration, from 0.
        column_error: Largest relative error of a column sum, ``max_k |sum_i Q_ik / r_k - 1|``.
        row_change: Computes ``sum_i |beta_i / beta'_i - 1|`` between the last two iterations. It is a
            function because it costs a pass over the rows and a reduction over the ranks.
    """

    iteration: int
    column_error: float
    row_change: Callable[[], float]


class StopRule(Protocol):
    """Decides when to stop; must give the same answer on all ranks."""

    @property
    def tolerance(self) -> float:
        """The iteration ends when ``error`` is at most this."""

    def error(self, progress: Progress) -> float | None:
        """Return the error to compare with the tolerance, or None where this iteration is not checked."""


@dataclass(frozen=True)
class ColumnError:
    """Stop when every cluster has its share up to a relative error; does not depend on the data's size."""

    tolerance: float = 1e-4

    def error(self, progress: Progress) -> float | None:
        """Return the largest relative error of a column sum."""
        return progress.column_error


@dataclass(frozen=True)
class RowChange:
    """The rule of SeLaVi's released code (facebookresearch/selavi, src/sk_utils.py), for comparison.

    ``sum_i |beta_i / beta'_i - 1|`` is checked in iterations 0, ``every``, 2 ``every``, ... It is a sum
    over the samples, so the same tolerance is stricter on more data.
    """

    tolerance: float = 0.1
    every: int = 10

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"RowChange: every is {self.every}, expected at least 1")

    def error(self, progress: Progress) -> float | None:
        """Return the summed relative change of the row factors, every ``every`` iterations."""
        return progress.row_change() if progress.iteration % self.every == 0 else None
