"""Sinkhorn-Knopp: balanced cluster labels by entropic optimal transport (Cuturi 2013, arXiv:1306.0895).

As used by SeLa (Asano et al. 2020, arXiv:1911.05371) and SeLaVi (arXiv:2006.13662, section 3): of all plans Q
with rows summing to 1/N and columns to r, find the one of form ``Q_ik = exp(X_ik + log alpha_k + log
beta_i)``; docs/methods/selavi.md#optimal-transport.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from unlabelled.clustering.gibbs import GibbsKernel
from unlabelled.clustering.row_blocks import RowBlocks
from unlabelled.clustering.stopping import ColumnError, Progress, StopRule

PLAIN_STEPS = 5  # over-relaxation diverges far from the solution: take some plain steps first


@dataclass(frozen=True)
class SinkhornResult:
    """Solution of one transport problem; everything but the row-wise tensors is equal on all ranks.

    Args:
        labels: ``(n_local,)`` int64, ``argmax_k Q_ik``.
        log_alpha: ``(K,)`` float64, log column factors (with log_beta: unique up to an opposite constant).
        log_beta: ``(n_local,)`` float64, log row factors; they make row sums exactly 1/N.
        iterations: Iterations made.
        error: Last error that the stop rule looked at.
        converged: Whether that error is within the rule's tolerance.
        column_sums: ``(K,)`` float64, share of the data given to every cluster by the plan; sums to 1.
        mean_label_score: Mean over all samples of X at the label.
        capped: Whether the problem asked for more range than the number format has; see ``sinkhorn_knopp``.
    """

    labels: Tensor
    log_alpha: Tensor
    log_beta: Tensor
    iterations: int
    error: float
    converged: bool
    column_sums: Tensor
    mean_label_score: float
    capped: bool

    def plan(self, log_scores: Tensor) -> Tensor:
        """Return the plan Q ``(n_local, K)`` float64 from the scores ``(n_local, K)`` it was made of."""
        return (log_scores.double() + self.log_alpha + self.log_beta[:, None]).exp()


@torch.no_grad()
def sinkhorn_knopp(
    log_scores: Tensor,
    *,
    marginals: Tensor | None = None,
    tolerance: float = 1e-4,
    max_iterations: int = 2000,
    relaxation: float = 1.7,
    overwrite: bool = False,
    stop_rule: StopRule | None = None,
    log_beta: Tensor | None = None,
) -> SinkhornResult:
    """Label samples so that every cluster gets its share, with rows sharded over the ranks.

    One pass over the matrix and one K-vector all-reduce per iteration; beside the matrix itself only
    O(n_local + K) numbers are held. float32 is safe at lambda = 20, and for clusters that are everywhere
    improbable: only differences within columns matter. Entries that are more than 80 (float32) or 690
    (float64) below both their row's and their column's best count as exactly that far below. No column can
    therefore vanish. Where this could change the plan, ``capped`` is set and a warning issued.

    Args:
        log_scores: ``(n_local, K)`` X, log-affinities already multiplied by lambda (SeLaVi: ``lambda / 2 (ln
            p_v + ln p_a)``). float64 stays float64, anything else becomes float32. Ranks may hold different
            numbers of rows, or none.
        marginals: ``(K,)`` r, positive share of every cluster, sums to 1, equal on all ranks; None: 1/K.
        tolerance: Largest relative error of a cluster's share at which to stop; unused with a ``stop_rule``.
        max_iterations: Stop after this many iterations at the latest.
        relaxation: Over-relaxation of log alpha after 5 plain steps, in [1, 2); halved towards 1, with
            5 more plain steps, each time the error rises. 1: Sinkhorn-Knopp as published.
        overwrite: Use the memory of ``log_scores`` (destroying them) if contiguous float32 or float64;
            otherwise, and by default, one copy is made.
        stop_rule: Replaces the rule ``ColumnError(tolerance)``.
        log_beta: ``(n_local,)`` first row factors, up to a constant; None: the best entry of every row counts
            1. Zeros start as the published algorithm does.

    Raises:
        ValueError: Wrong shapes, marginals that are no distribution, scores without any finite solution.
    """
    _check_arguments(log_scores, log_beta, max_iterations, relaxation)
    rule = ColumnError(tolerance) if stop_rule is None else stop_rule
    log_share = _log_share(marginals, log_scores)
    matrix = _working_copy(log_scores, overwrite)
    with RowBlocks(matrix.shape[0], matrix.shape[1] * matrix.element_size(), matrix.device) as blocks:
        kernel = GibbsKernel(matrix, blocks)
        stepper = _Stepper(relaxation, max_span=_span(log_share) - kernel.floor)
        log_alpha = log_share - (kernel.start(log_beta) / kernel.num_rows).log()
        error = math.inf
        for iteration in range(max_iterations):
            column_sums = kernel.sweep(log_alpha) / kernel.num_rows
            residual = log_share - column_sums.log()
            column_error = float((-residual).expm1().abs().amax())
            checked = rule.error(Progress(iteration, column_error, kernel.row_change))
            error = error if checked is None else checked
            if error <= rule.tolerance or iteration + 1 == max_iterations:
                break
            log_alpha = stepper.step(log_alpha, residual, column_error)
        return _result(kernel, log_alpha, column_sums, iteration + 1, error, error <= rule.tolerance)


def _span(values: Tensor) -> float:
    return float(values.amax() - values.amin())


class _Stepper:
    """Moves log alpha along the residual: as far as Sinkhorn-Knopp, or further where that is safe.

    Args:
        relaxation: Length of a step relative to Sinkhorn-Knopp's.
        max_span: Range of log alpha that plain steps never leave (see GibbsKernel); nor may longer ones.
    """

    def __init__(self, relaxation: float, max_span: float) -> None:
        self._relaxation = relaxation
        self._max_span = max_span
        self._plain_left = PLAIN_STEPS
        self._last_error = math.inf

    def step(self, log_alpha: Tensor, residual: Tensor, column_error: float) -> Tensor:
        further = log_alpha + self._weight(column_error) * residual
        return further if _span(further) <= self._max_span else log_alpha + residual

    def _weight(self, column_error: float) -> float:
        if self._plain_left == 0 and column_error > self._last_error:
            self._relaxation = 1 + (self._relaxation - 1) / 2
            self._plain_left = PLAIN_STEPS
        self._last_error = column_error
        if self._plain_left == 0:
            return self._relaxation
        self._plain_left -= 1
        return 1.0


def _result(
    kernel: GibbsKernel,
    log_alpha: Tensor,
    column_sums: Tensor,
    iterations: int,
    error: float,
    converged: bool,
) -> SinkhornResult:
    # The sweep's row factors belong to its own centre, so read them before ``labels`` centres anew.
    log_beta = kernel.row_factor.double().log() - kernel.centre - kernel.row_max - math.log(kernel.num_rows)
    labels, mean_label_score = kernel.labels(log_alpha)
    capped = kernel.capped(log_alpha)
    if capped:
        warnings.warn(
            f"Sinkhorn-Knopp: the column potentials span {_span(log_alpha):.0f}, "
            f"close to the {-kernel.floor:.0f} that {kernel.matrix.dtype} can hold, so scores were capped. "
            "Shares are kept, but labels may differ from exact ones: use float64 scores or a lower lambda.",
            stacklevel=4,  # past this function, the solver and its no_grad wrapper: the caller's line
        )
    return SinkhornResult(
        labels=labels,
        log_alpha=log_alpha + kernel.lift,
        log_beta=log_beta,
        iterations=iterations,
        error=error,
        converged=converged,
        column_sums=column_sums,
        mean_label_score=mean_label_score,
        capped=capped,
    )


def _working_copy(log_scores: Tensor, overwrite: bool) -> Tensor:
    scores = log_scores.detach()
    if scores.dtype not in (torch.float32, torch.float64):
        return scores.to(torch.float32).contiguous()
    if overwrite and scores.is_contiguous():
        return scores
    return scores.clone(memory_format=torch.contiguous_format)


def _log_share(marginals: Tensor | None, log_scores: Tensor) -> Tensor:
    num_clusters, device = log_scores.shape[1], log_scores.device
    if marginals is None:
        return torch.full((num_clusters,), -math.log(num_clusters), dtype=torch.float64, device=device)
    share = marginals.detach().to(device=device, dtype=torch.float64)
    if share.shape != (num_clusters,):
        raise ValueError(
            f"marginals have shape {tuple(share.shape)}, expected ({num_clusters},): one per cluster"
        )
    if not bool((share > 0).all()) or abs(float(share.sum()) - 1) > 1e-4:
        raise ValueError(
            f"marginals must be positive and sum to 1, found minimum {float(share.min()):g} and "
            f"sum {float(share.sum()):g}; divide sizes by their sum, and drop clusters that should stay empty"
        )
    return (share / share.sum()).log()


def _check_arguments(
    log_scores: Tensor, log_beta: Tensor | None, max_iterations: int, relaxation: float
) -> None:
    if log_scores.ndim != 2 or log_scores.shape[1] < 1:
        raise ValueError(f"log_scores have shape {tuple(log_scores.shape)}, expected (samples, clusters)")
    if not log_scores.is_floating_point():
        raise ValueError(f"log_scores are {log_scores.dtype}, expected floating-point log-probabilities")
    if log_beta is not None and log_beta.shape != log_scores.shape[:1]:
        raise ValueError(f"log_beta has shape {tuple(log_beta.shape)}, expected ({log_scores.shape[0]},)")
    if max_iterations < 1:
        raise ValueError(f"max_iterations is {max_iterations}, expected at least 1")
    if not 1 <= relaxation < 2:
        raise ValueError(f"relaxation is {relaxation}, expected 1 <= relaxation < 2 (beyond, it diverges)")
