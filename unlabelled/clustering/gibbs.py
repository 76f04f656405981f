"""The kernel exp(X) of an entropic transport problem, kept in the range of its number format."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.clustering.row_blocks import RowBlocks
from unlabelled.distributed import all_reduce_max_, all_reduce_sum_

# Smallest exponent kept, well above the subnormal numbers (which are inexact, and slow on a CPU).
_FLOOR = {torch.float32: -80.0, torch.float64: -690.0}


class GibbsKernel:
    """``P_ik = exp(X_ik - m_i + c_k)``, made in place of X, with rows sharded over the ranks.

    m_i is the row's maximum and c_k >= 0 lifts every column's largest entry to 1, so that every row and every
    column has an entry 1: no row or column can vanish, whatever constants the logits carry. Both shifts are
    absorbed by the potentials of the transport problem. Entries under exp(-80) (float32; exp(-690) in
    float64) are raised to that floor; therefore the potentials of P span at most 80 plus the span of ln r,
    and no product of kernel and factors can overflow.

    Args:
        scores: ``(n_local, K)`` contiguous float32 or float64; overwritten.
        blocks: The blocks of these rows, entered by the caller.

    Raises:
        ValueError: On all ranks, where a row holds NaN or +inf or only -inf, a column only -inf, or no
            rank has any row.
    """

    def __init__(self, scores: Tensor, blocks: RowBlocks) -> None:
        self.matrix = scores
        self.floor = _FLOOR[scores.dtype]
        self.num_local, self.num_clusters = scores.shape
        self._blocks = blocks
        self._views = [scores[rows] for rows in blocks.slices]
        self._transposed = [view.t() for view in self._views]
        self._sums = scores.new_zeros(len(blocks.slices), self.num_clusters)  # one row per block
        self.row_factor = scores.new_ones(self.num_local)  # 1 / (P alpha)_i, up to the factor exp(centre)
        self.previous_factor = scores.new_ones(self.num_local)
        self._products = scores.new_empty(self.num_local)
        self.centre = self.previous_centre = 0.0
        self.row_max = self._find_row_max()
        self.num_rows = self._count_rows()
        self.lift = self._find_lift()
        self._exponentiate()

    def _find_row_max(self) -> Tensor:
        row_max, maxima = self.matrix.new_empty(self.num_local), self._sums

        def work(index: int) -> None:
            rows, view = self._blocks.slices[index], self._views[index]
            torch.amax(view, 1, out=row_max[rows])
            torch.amax(view - row_max[rows, None], 0, out=maxima[index])

        self._blocks.run(work)
        return row_max

    def _count_rows(self) -> int:
        bad = int((~self.row_max.isfinite()).sum())
        device, counts = self.matrix.device, [float(self.num_local), float(bad)]
        rows, bad_rows = all_reduce_sum_(torch.tensor(counts, dtype=torch.float64, device=device)).tolist()
        if bad_rows:
            raise ValueError(
                f"{int(bad_rows)} of {int(rows)} rows of the scores hold NaN or +inf, or only -inf; expected "
                "log-probabilities. Look for NaN in the features or a learning rate that is too high."
            )
        if not rows:
            raise ValueError("the scores have no rows on any rank; expected at least one sample to cluster")
        return int(rows)

    def _find_lift(self) -> Tensor:
        none = self.matrix.new_full((1, self.num_clusters), -torch.inf)
        largest = all_reduce_max_(torch.cat([self._sums, none]).amax(0))
        if bool(largest.isneginf().any()):
            dead = largest.isneginf().nonzero().flatten().tolist()
            raise ValueError(f"clusters {dead} have probability 0 for every sample and can be given none")
        return -largest

    def _exponentiate(self) -> None:
        def work(index: int) -> None:
            view = self._views[index]
            view.sub_(self.row_max[self._blocks.slices[index], None]).add_(self.lift)
            view.clamp_(min=self.floor).exp_()

        self._blocks.run(work)

    def start(self, log_beta: Tensor | None) -> Tensor:
        """Return the column sums ``sum_i beta_i P_ik (K,)`` for the first row factors.

        Args:
            log_beta: ``(n_local,)`` log row factors of exp(X) up to a constant; None: 1 for every row of P.
        """
        if log_beta is not None:
            start = log_beta.to(self.row_max) + self.row_max
            none = start.new_full((1,), -torch.inf)
            start -= all_reduce_max_(torch.cat([start, none]).amax())
            self.row_factor.copy_(start.clamp_(min=self.floor).exp_())

        def work(index: int) -> None:
            torch.mv(
                self._transposed[index], self.row_factor[self._blocks.slices[index]], out=self._sums[index]
            )

        self._blocks.run(work)
        return self._total()

    def sweep(self, log_alpha: Tensor) -> Tensor:
        """Update the row factors for column factors exp(log_alpha), in one pass over P.

        Args:
            log_alpha: ``(K,)`` float64.

        Returns:
            ``(K,)`` float64, the column sums of the plan times ``num_rows``; their total is ``num_rows``.
        """
        alpha = self._centred(log_alpha)
        self.row_factor, self.previous_factor = self.previous_factor, self.row_factor
        factor = self.row_factor

        def work(index: int) -> None:
            rows = self._blocks.slices[index]
            torch.mv(self._views[index], alpha, out=self._products[rows])
            torch.reciprocal(self._products[rows], out=factor[rows])
            torch.mv(self._transposed[index], factor[rows], out=self._sums[index])

        self._blocks.run(work)
        return self._total() * alpha.double()

    def _centred(self, log_alpha: Tensor) -> Tensor:
        # The constant is absorbed by the row factors; without it, half of the exponent range would be wasted.
        self.previous_centre = self.centre
        self.centre = float(log_alpha.amax() + log_alpha.amin()) / 2
        return (log_alpha - self.centre).exp().to(self.matrix.dtype)

    def _total(self) -> Tensor:
        return all_reduce_sum_(self._sums.sum(0, dtype=torch.float64))

    def row_change(self) -> float:
        """Return ``sum_i |beta_i / beta'_i - 1|`` between the last two sweeps, over all ranks."""
        scale = torch.tensor(self.centre - self.previous_centre, dtype=torch.float64).exp()
        ratio = self.previous_factor.double() / self.row_factor.double() * scale.to(self.matrix.device)
        return float(all_reduce_sum_((ratio - 1).abs().sum()))

    def labels(self, log_alpha: Tensor) -> tuple[Tensor, float]:
        """Return ``argmax_k P_ik alpha_k (n_local,)`` and the mean of X at these places over all ranks.

        The row maximum of P is 1 and alpha is centred, so the largest product of a row is at least
        exp(-span(log_alpha) / 2): smaller products may underflow, the largest cannot.
        """
        alpha = self._centred(log_alpha)
        labels = torch.empty(self.num_local, dtype=torch.int64, device=self.matrix.device)
        at_label = self.matrix.new_empty(self.num_local)

        def work(index: int) -> None:
            rows, view = self._blocks.slices[index], self._views[index]
            torch.argmax(view * alpha, 1, out=labels[rows])
            torch.gather(view, 1, labels[rows, None], out=at_label[rows, None])

        self._blocks.run(work)
        scores = at_label.double().log() + self.row_max - self.lift[labels]
        return labels, float(all_reduce_sum_(scores.sum())) / self.num_rows

    def capped(self, log_alpha: Tensor) -> bool:
        """Tell whether entries raised to the floor may carry a noticeable part of a cluster's mass."""
        span = float(log_alpha.amax() - log_alpha.amin())
        if span < -self.floor - 20:  # then floor entries weigh less than exp(-20) of their row
            return False
        lowest = torch.zeros((), device=self.matrix.device)
        if self.num_local:
            lowest += bool(self.matrix.amin() <= 1.01 * self.matrix.new_tensor(self.floor).exp())
        return bool(all_reduce_max_(lowest))
