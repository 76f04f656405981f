"""The kernel exp(X) of an entropic transport problem, kept in the range of its number format."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.clustering.row_blocks import RowBlocks
from unlabelled.distributed import all_reduce_max_, all_reduce_sum_

# Smallest exponent kept, well above the subnormal numbers (which are inexact, and slow on a CPU).
_FLOOR = {torch.float32: -80.0, torch.float64: -690.0}


def span(values: Tensor) -> float:
    """Return the difference of the largest and the smallest of ``values``."""
    return float(values.amax() - values.amin())


class GibbsKernel:
    """``P_ik = exp(X_ik - m_i + c_k)``, made in place of X, with rows sharded over the ranks.

    m_i is the maximum of row i, and ``c_k >= 0`` raises the largest entry of column k to 1. So each row and
    each column has an entry 1 and cannot vanish, whatever constants the logits contain; the potentials of the
    transport problem absorb both shifts. Entries below exp(-80) (float32; exp(-690) in float64) are raised to
    that floor. Therefore the potentials of P span at most 80 plus the span of ln r, and no product of kernel
    and factors can overflow.

    Args:
        scores: ``(n_local, K)`` contiguous float32 or float64; overwritten.
        blocks: The blocks of these rows, entered by the caller.

    Attributes:
        matrix: ``(n_local, K)`` P.
        row_max: ``(n_local,)`` m.
        lift: ``(K,)`` c.
        num_rows: N, the number of rows over all ranks.
        row_factor: ``(n_local,)`` 1 / (P alpha)_i, up to the factor exp(``centre``).

    Raises:
        ValueError: On all ranks, where a row holds NaN or +inf or only -inf, a column only -inf, or no
            rank has any row.
    """

    def __init__(self, scores: Tensor, blocks: RowBlocks) -> None:
        self.matrix = scores
        self.floor = _FLOOR[scores.dtype]
        num_local, num_clusters = scores.shape
        self._blocks = blocks
        self._views = [scores[rows] for rows in blocks.slices]
        self._transposed = [view.t() for view in self._views]
        self._sums = scores.new_zeros(len(blocks.slices), num_clusters)  # one row per block
        self.row_factor = scores.new_ones(num_local)
        self.previous_factor = scores.new_ones(num_local)
        self._products = scores.new_empty(num_local)
        self.centre = self.previous_centre = 0.0
        self.row_max = scores.new_empty(num_local)
        self.num_rows, self.lift = self._exponentiate()

    def _exponentiate(self) -> tuple[int, Tensor]:
        """Turn the scores into P; return N and the lift."""
        row_max, maxima = self.row_max, self._sums

        def find_maxima(index: int) -> None:
            rows, view = self._blocks.slices[index], self._views[index]
            torch.amax(view, 1, out=row_max[rows])
            torch.amax(view - row_max[rows, None], 0, out=maxima[index])

        self._blocks.run(find_maxima)
        counts = [float(len(row_max)), float((~row_max.isfinite()).sum())]
        summed = all_reduce_sum_(torch.tensor(counts, dtype=torch.float64, device=row_max.device))
        num_rows, num_bad = (int(count) for count in summed.tolist())
        if num_bad:
            raise ValueError(
                f"{num_bad} of {num_rows} rows of the scores hold NaN or +inf, or only -inf; expected "
                "log-probabilities. Look for NaN in the features or a learning rate that is too high."
            )
        if not num_rows:
            raise ValueError("the scores have no rows on any rank; expected at least one sample to cluster")
        no_row = maxima.new_full((1, maxima.shape[1]), -torch.inf)
        largest = all_reduce_max_(torch.cat([maxima, no_row]).amax(0))
        if bool(largest.isneginf().any()):
            dead = largest.isneginf().nonzero().flatten().tolist()
            raise ValueError(f"clusters {dead} have probability 0 for every sample and can be given none")
        lift = -largest

        def exponentiate(index: int) -> None:
            view = self._views[index].sub_(row_max[self._blocks.slices[index], None])
            view.add_(lift).clamp_(min=self.floor).exp_()

        self._blocks.run(exponentiate)
        return num_rows, lift

    def start(self, log_beta: Tensor | None) -> Tensor:
        """Return the column sums ``sum_i beta_i P_ik (K,)`` for the first row factors.

        Args:
            log_beta: ``(n_local,)`` log row factors of exp(X) up to a constant; None: 1 for every row of P.
        """
        if log_beta is not None:
            start = log_beta.to(self.row_max) + self.row_max
            no_row = start.new_full((1,), -torch.inf)
            start -= all_reduce_max_(torch.cat([start, no_row]).amax())
            self.row_factor.copy_(start.clamp_(min=self.floor).exp_())

        def work(index: int) -> None:
            factor = self.row_factor[self._blocks.slices[index]]
            torch.mv(self._transposed[index], factor, out=self._sums[index])

        self._blocks.run(work)
        return all_reduce_sum_(self._sums.sum(0, dtype=torch.float64))

    def sweep(self, log_alpha: Tensor) -> Tensor:
        """Update the row factors for column factors exp(log_alpha), in one pass over P.

        Args:
            log_alpha: ``(K,)`` float64.

        Returns:
            ``(K,)`` float64, the column sums of the plan times ``num_rows``; their total is ``num_rows``.
        """
        # The row factors absorb the centre; without it, half of the exponent range would be wasted.
        self.previous_centre = self.centre
        self.centre = float(log_alpha.amax() + log_alpha.amin()) / 2
        alpha = (log_alpha - self.centre).exp().to(self.matrix.dtype)
        self.row_factor, self.previous_factor = self.previous_factor, self.row_factor
        factor = self.row_factor

        def work(index: int) -> None:
            rows = self._blocks.slices[index]
            torch.mv(self._views[index], alpha, out=self._products[rows])
            torch.reciprocal(self._products[rows], out=factor[rows])
            torch.mv(self._transposed[index], factor[rows], out=self._sums[index])

        self._blocks.run(work)
        return all_reduce_sum_(self._sums.sum(0, dtype=torch.float64)) * alpha.double()

    def row_change(self) -> float:
        """Return ``sum_i |beta_i / beta'_i - 1|`` between the last two sweeps, over all ranks."""
        scale = torch.tensor(self.centre - self.previous_centre, dtype=torch.float64).exp()
        ratio = self.previous_factor.double() / self.row_factor.double() * scale.to(self.matrix.device)
        return float(all_reduce_sum_((ratio - 1).abs().sum()))

    def labels(self, log_alpha: Tensor) -> tuple[Tensor, float]:
        """Return ``argmax_k P_ik alpha_k (n_local,)`` and the mean of X at these entries over all ranks.

        ``log_alpha`` is that of the last sweep. The row maximum of P is 1 and alpha is centred, so the
        largest product of a row is at least exp(-span(log_alpha) / 2): smaller products may underflow, the
        largest cannot.
        """
        alpha = (log_alpha - self.centre).exp().to(self.matrix.dtype)
        labels = torch.empty(len(self.row_max), dtype=torch.int64, device=self.matrix.device)
        at_label = self.matrix.new_empty(len(self.row_max))

        def work(index: int) -> None:
            rows, view = self._blocks.slices[index], self._views[index]
            torch.argmax(view * alpha, 1, out=labels[rows])
            torch.gather(view, 1, labels[rows, None], out=at_label[rows, None])

        self._blocks.run(work)
        scores = at_label.double().log() + self.row_max - self.lift[labels]
        return labels, float(all_reduce_sum_(scores.sum())) / self.num_rows

    def capped(self, log_alpha: Tensor) -> bool:
        """Return whether entries raised to the floor may carry a noticeable part of a cluster's mass."""
        if span(log_alpha) < -self.floor - 20:  # then floor entries weigh less than exp(-20) of their row
            return False
        lowest = torch.zeros((), device=self.matrix.device)
        if len(self.matrix):
            lowest += bool(self.matrix.amin() <= 1.01 * self.matrix.new_tensor(self.floor).exp())
        return bool(all_reduce_max_(lowest))
