"""The kernel exp(X) of an entropic transport problem, kept in the range of its number format."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unlabelled.clustering.row_blocks import RowBlocks
from unlabelled.clustering.small_exponents import exp_, log_, smallest_exponent
from unlabelled.distributed import all_reduce_max_, all_reduce_sum_

LARGEST_SPAN = {torch.float32: 50.0, torch.float64: 600.0}
"""Range above which potentials are absorbed; entries that exp_ cannot hold weigh exp(50 - 76) at most."""
_AHEAD = 0.95  # share of the range by which an absorption runs ahead of the potentials


def span(values: Tensor) -> float:
    """Return the difference of the largest and the smallest of ``values``."""
    return float(values.amax() - values.amin())


class GibbsKernel:
    """``P_ik = exp(X_ik + c_k - s_i)``, made in place of X, with rows sharded over the ranks.

    s_i makes the largest entry of row i 1. At first, c_k raises the largest entry of column k to 1 as well.
    So each row and each column has an entry 1 and cannot vanish, whatever constants the logits contain; the
    potentials of the transport problem absorb both shifts. Where the potentials come to span more than 50
    (float64: 600), as for long-tailed heads, they are moved into c (absorption: Schmitzer 2019,
    arXiv:1610.06519, section 3) and no product of kernel and factors can overflow. As potentials go on in
    their direction, c runs ahead of them, which halves the number of absorptions. Entries too small for exp
    are kept as their exponents, so float32 solves problems whose potentials span several hundreds as float64
    does.

    Args:
        scores: ``(n_local, K)`` contiguous float32 or float64; overwritten.
        blocks: The blocks of these rows, entered by the caller.

    Attributes:
        matrix: ``(n_local, K)`` P.
        lift: ``(K,)`` float64, the first c.
        num_rows: N, the number of rows over all ranks.
        row_factor: ``(n_local,)`` 1 / (P alpha)_i, up to the factor exp(``centre``).

    Raises:
        ValueError: On all ranks, where a row holds NaN or +inf or only -inf, a column only -inf, or no
            rank has any row.
    """

    def __init__(self, scores: Tensor, blocks: RowBlocks) -> None:
        self.matrix = scores
        num_local, num_clusters = scores.shape
        self._blocks = blocks
        self._views = [scores[rows] for rows in blocks.slices]
        self._transposed = [view.t() for view in self._views]
        self._sums = scores.new_zeros(len(blocks.slices), num_clusters)  # one row per block
        self.row_factor = scores.new_ones(num_local)
        self.previous_factor = scores.new_ones(num_local)
        self._products = scores.new_empty(num_local)
        self.centre = self.previous_centre = 0.0
        self._row_shift = torch.empty(num_local, dtype=torch.float64, device=scores.device)
        self.num_rows, self.lift = self._exponentiate()
        self._absorbed = torch.zeros_like(self.lift)  # c - lift

    def _exponentiate(self) -> tuple[int, Tensor]:
        """Turn the scores into P; return N and the lift."""
        row_max, maxima = self._products, self._sums

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
            exp_(view.add_(lift))

        self._blocks.run(exponentiate)
        self._row_shift.copy_(row_max)
        return num_rows, lift.double()

    def _absorb(self, log_alpha: Tensor, largest: float) -> None:
        """Move the potentials ``log_alpha (K,)`` and more into c, with row factors of the same plan."""
        change = log_alpha - self._absorbed
        change = change - (change.amax() + change.amin()) / 2  # c has a free constant; row factors stay small
        ahead = min(1.0, _AHEAD * largest / span(change))
        moved = (change * (1 + ahead)).to(self.matrix.dtype)
        self._absorbed += moved.double()
        row_max = self._products

        def absorb(index: int) -> None:
            rows, view = self._blocks.slices[index], log_(self._views[index])
            torch.amax(view.add_(moved), 1, out=row_max[rows])
            exp_(view.sub_(row_max[rows, None]))

        self._blocks.run(absorb)
        self._row_shift += row_max
        self.row_factor.mul_((row_max.double() - self.centre).exp_())
        self.centre = 0.0

    def start(self, log_beta: Tensor | None) -> Tensor:
        """Return the column sums ``sum_i beta_i P_ik (K,)`` for the first row factors.

        Args:
            log_beta: ``(n_local,)`` log row factors of exp(X) up to a constant; None: 1 for every row of P.
        """
        if log_beta is not None:
            start = log_beta.double() + self._row_shift
            no_row = start.new_full((1,), -torch.inf)
            start -= all_reduce_max_(torch.cat([start, no_row]).amax())
            self.row_factor.copy_(start.clamp_(min=smallest_exponent(self.matrix.dtype)).exp_())

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
        largest = LARGEST_SPAN[self.matrix.dtype]
        if span(log_alpha - self._absorbed) > largest:
            self._absorb(log_alpha, largest)
        # The row factors absorb the centre; without it, half of the exponent range would be wasted.
        self.previous_centre = self.centre
        moved = log_alpha - self._absorbed
        self.centre = float(moved.amax() + moved.amin()) / 2
        alpha = (moved - self.centre).exp().to(self.matrix.dtype)
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

    def log_row_factors(self) -> Tensor:
        """Return ``(n_local,)`` float64, log row factors of exp(X) for the potentials of the last sweep."""
        return self.row_factor.double().log() - self.centre - self._row_shift - math.log(self.num_rows)

    def labels(self, log_alpha: Tensor) -> tuple[Tensor, float]:
        """Return ``argmax_k P_ik alpha_k (n_local,)`` and the mean of X at these entries over all ranks.

        ``log_alpha`` is that of the last sweep. The row maximum of P is 1 and alpha is centred, so the
        largest product of a row is at least exp(-20): smaller products may underflow, the largest cannot.
        """
        alpha = (log_alpha - self._absorbed - self.centre).exp().to(self.matrix.dtype)
        num_local = len(self.row_factor)
        labels = torch.empty(num_local, dtype=torch.int64, device=self.matrix.device)
        at_label = self.matrix.new_empty(num_local)

        def work(index: int) -> None:
            rows, view = self._blocks.slices[index], self._views[index]
            torch.argmax(view * alpha, 1, out=labels[rows])
            torch.gather(view, 1, labels[rows, None], out=at_label[rows, None])

        self._blocks.run(work)
        scores = at_label.double().log() + self._row_shift - (self.lift + self._absorbed)[labels]
        return labels, float(all_reduce_sum_(scores.sum())) / self.num_rows
