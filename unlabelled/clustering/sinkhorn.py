"""Sinkhorn-Knopp: balanced cluster labels by entropic optimal transport (Cuturi 2013, arXiv:1306.0895).

The solver finds the plan ``Q_ik = exp(X_ik + log alpha_k + log beta_i)`` whose rows sum to 1/N and whose
columns sum to r. SeLa (Asano et al. 2020, arXiv:1911.05371) and SeLaVi (arXiv:2006.13662, section 3) label
samples this way; docs/methods/selavi.md#optimal-transport.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unlabelled.clustering.extrapolation import Extrapolation, Stepper
from unlabelled.clustering.gibbs import GibbsKernel
from unlabelled.clustering.row_blocks import RowBlocks

PLAIN_STEPS = 5  # over-relaxation diverges far from the solution, so some steps without it come first


@dataclass(frozen=True)
class RowChange:
    """Stop rule of SeLaVi's released code (facebookresearch/selavi, src/sk_utils.py), for comparison.

    In iterations 0, ``every``, 2 ``every``, ... the error is ``sum_i |beta_i / beta'_i - 1|``, the change of
    the row factors since the iteration before. It is a sum over the samples, so the same tolerance is
    stricter on more data.
    """

    tolerance: float = 0.1
    every: int = 10

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"RowChange: every is {self.every}, expected at least 1")


@dataclass(frozen=True)
class SinkhornResult:
    """Solution of one transport problem; all fields but the row-wise tensors are equal on all ranks.

    Args:
        labels: ``(n_local,)`` int64, ``argmax_k Q_ik``.
        log_alpha: ``(K,)`` float64, log column factors (with log_beta: unique up to an opposite constant).
        log_beta: ``(n_local,)`` float64, log row factors; they make row sums exactly 1/N.
        iterations: Number of iterations.
        error: Error at the last check of the stop rule.
        converged: Whether that error is within the tolerance.
        column_sums: ``(K,)`` float64, the share of the data that the plan gives each cluster; sums to 1.
        mean_label_score: Mean over all samples of X at the label.
    """

    labels: Tensor
    log_alpha: Tensor
    log_beta: Tensor
    iterations: int
    error: float
    converged: bool
    column_sums: Tensor
    mean_label_score: float

    def plan(self, log_scores: Tensor) -> Tensor:
        """Return the plan Q ``(n_local, K)`` float64 of the scores ``(n_local, K)`` that were solved."""
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
    stop_rule: RowChange | None = None,
    log_beta: Tensor | None = None,
    log_alpha: Tensor | None = None,
    memory: int = 0,
) -> SinkhornResult:
    """Label samples so that each cluster gets its share of them, with rows sharded over the ranks.

    An iteration is one pass over the matrix and one all-reduce of K numbers; apart from the matrix only
    O(n_local + K) numbers are held. Only differences within a row and a column of the scores matter, and
    potentials that exceed what float32 can hold are absorbed into the matrix (see GibbsKernel), so that
    float32 has the labels of float64 where both converge; docs/scaling.md#number-format-of-assignments.

    Args:
        log_scores: ``(n_local, K)`` X, log-affinities already multiplied by lambda (SeLaVi: ``lambda / 2 (ln
            p_v + ln p_a)``). float64 stays float64, other types become float32. Ranks may hold different
            numbers of rows, or none.
        marginals: ``(K,)`` r, positive share of each cluster, sums to 1, equal on all ranks; None: 1/K.
        tolerance: Stop when the largest relative error of a cluster's share, ``max_k |sum_i Q_ik / r_k -
            1|``, is at most this; it does not depend on the number of samples.
        max_iterations: Largest number of iterations.
        relaxation: Over-relaxation of log alpha after 5 plain steps, in [1, 2); halved towards 1, with
            5 more plain steps, each time the error rises. 1: Sinkhorn-Knopp as published.
        overwrite: Use the memory of ``log_scores``, which destroys them, if they are contiguous float32 or
            float64; otherwise, and by default, one copy is made.
        stop_rule: Replaces ``tolerance``.
        log_beta: ``(n_local,)`` first row factors, up to a constant; None: those that make the largest entry
            of each row 1. Zeros start as the published algorithm does.
        log_alpha: ``(K,)`` first log column factors, up to a constant, instead of ``log_beta``: those of
            similar scores save iterations. Equal on all ranks.
        memory: Number of earlier iterations from which the next log alpha is extrapolated (Anderson 1965); it
            takes about a third of the iterations. Over-relaxation continues where it fails. 0: none.

    Raises:
        ValueError: Wrong shapes, marginals that are not a distribution, or scores without a finite solution.

    Example:
        All samples are most similar to cluster 0; equal shares give half of them to cluster 1.

        >>> p = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]], dtype=torch.float64)
        >>> result = sinkhorn_knopp(20 * p.log())
        >>> result.labels.tolist(), result.converged
        ([0, 0, 1, 1], True)
        >>> result.column_sums.round(decimals=3).tolist()
        [0.5, 0.5]
    """
    log_share = _checked_log_share(log_scores, marginals, log_beta, max_iterations, relaxation, memory)
    first = _checked_start(log_alpha, log_beta, log_share)
    matrix = log_scores.detach()
    if matrix.dtype not in (torch.float32, torch.float64):
        matrix = matrix.to(torch.float32).contiguous()
    elif not (overwrite and matrix.is_contiguous()):
        matrix = matrix.clone(memory_format=torch.contiguous_format)
    tolerance = tolerance if stop_rule is None else stop_rule.tolerance
    with RowBlocks(matrix.shape[0], matrix.shape[1] * matrix.element_size(), matrix.device) as blocks:
        kernel = GibbsKernel(matrix, blocks)
        stepper: Stepper = _Stepper(relaxation)
        if memory:
            stepper = Extrapolation(memory, stepper)
        if first is None:
            log_alpha = log_share - (kernel.start(log_beta) / kernel.num_rows).log()
        else:
            log_alpha = first - kernel.lift
        error = math.inf
        for iteration in range(max_iterations):
            column_sums = kernel.sweep(log_alpha) / kernel.num_rows
            residual = log_share - column_sums.log()
            column_error = float((-residual).expm1().abs().amax())
            if stop_rule is None:
                error = column_error
            elif iteration % stop_rule.every == 0:
                error = kernel.row_change()
            if error <= tolerance or iteration + 1 == max_iterations:
                break
            log_alpha = stepper.step(log_alpha, residual, column_error)
        return _result(kernel, log_alpha, column_sums, iteration + 1, error, error <= tolerance)


class _Stepper:
    """Moves log alpha along the residual by a step of Sinkhorn-Knopp, or by a longer one where that is safe.

    Args:
        relaxation: Length of a step relative to Sinkhorn-Knopp's.
    """

    def __init__(self, relaxation: float) -> None:
        self._relaxation = relaxation
        self._plain_left = PLAIN_STEPS
        self._last_error = math.inf

    def step(self, point: Tensor, residual: Tensor, error: float) -> Tensor:
        if self._plain_left == 0 and error > self._last_error:
            self._relaxation = 1 + (self._relaxation - 1) / 2
            self._plain_left = PLAIN_STEPS
        self._last_error = error
        weight = 1.0 if self._plain_left else self._relaxation
        self._plain_left = max(0, self._plain_left - 1)
        return point + weight * residual


def _result(
    kernel: GibbsKernel,
    log_alpha: Tensor,
    column_sums: Tensor,
    iterations: int,
    error: float,
    converged: bool,
) -> SinkhornResult:
    labels, mean_label_score = kernel.labels(log_alpha)
    return SinkhornResult(
        labels=labels,
        log_alpha=log_alpha + kernel.lift,
        log_beta=kernel.log_row_factors(),
        iterations=iterations,
        error=error,
        converged=converged,
        column_sums=column_sums,
        mean_label_score=mean_label_score,
    )


def _checked_log_share(
    log_scores: Tensor,
    marginals: Tensor | None,
    log_beta: Tensor | None,
    max_iterations: int,
    relaxation: float,
    memory: int,
) -> Tensor:
    """Return ``log r (K,)`` float64 after a check of all arguments."""
    if log_scores.ndim != 2 or log_scores.shape[1] < 1:
        raise ValueError(f"log_scores have shape {tuple(log_scores.shape)}, expected (samples, clusters)")
    if not log_scores.is_floating_point():
        raise ValueError(f"log_scores are {log_scores.dtype}, expected floating-point log-probabilities")
    if log_beta is not None and log_beta.shape != log_scores.shape[:1]:
        raise ValueError(f"log_beta has shape {tuple(log_beta.shape)}, expected ({log_scores.shape[0]},)")
    if max_iterations < 1:
        raise ValueError(f"max_iterations is {max_iterations}, expected at least 1")
    if memory < 0:
        raise ValueError(f"memory is {memory}, expected at least 0")
    if not 1 <= relaxation < 2:
        raise ValueError(f"relaxation is {relaxation}, expected 1 <= relaxation < 2 (beyond, it diverges)")
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


def _checked_start(log_alpha: Tensor | None, log_beta: Tensor | None, log_share: Tensor) -> Tensor | None:
    """Return the first column factors ``(K,)`` float64 after a check; None: none are given."""
    if log_alpha is None:
        return None
    if log_beta is not None:
        raise ValueError("log_alpha and log_beta are both given, expected at most one of them")
    start = log_alpha.detach().to(log_share)
    if start.shape != log_share.shape or not bool(start.isfinite().all()):
        raise ValueError(
            f"log_alpha has shape {tuple(start.shape)}, expected finite numbers of shape "
            f"{tuple(log_share.shape)}"
        )
    return start
