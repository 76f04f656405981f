"""SeLaVi's clusterer: balanced pseudo-labels from joint log-probabilities."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unlabelled.clustering.base import Assignment, ClusterContext, Clusterer
from unlabelled.clustering.marginals import Marginals, UniformMarginals
from unlabelled.clustering.row_blocks import RowBlocks
from unlabelled.clustering.sinkhorn import sinkhorn_knopp
from unlabelled.distributed import all_reduce_sum_

SOLVED_IN_FLOAT64 = 2**24
"""Largest number of scores, over all ranks, that are solved in float64: it costs no noticeable time."""
_MEMORY = 8  # iterations to extrapolate from


class SinkhornClusterer(Clusterer):
    """Self-labelling by optimal transport (Asano et al. 2020, arXiv:2006.13662, section 3).

    Solves ``min_Q <Q, -ln P> - Entropy(Q) / lambda``, where ln P is the mean of the modalities'
    log-probabilities, rows of Q sum to 1/N and columns to the marginals; a sample's label is its row's
    largest entry. The labels of a soft plan may be unbalanced and may leave clusters empty.

    Args:
        lambda_: Inverse strength of the entropy (SeLaVi A.2: 20; SeLa on ImageNet: 25, yukimasano/self-label,
            main.py).
        marginals: Shares of the clusters; None: equal ones.
        tolerance: Largest relative error of a cluster's share.
        max_iterations: Largest number of iterations.
        relaxation: Over-relaxation, see ``sinkhorn_knopp``.
        warm_start: Start each pass from the column factors of the same head in the pass before, which saves
            iterations. Labels are the same up to ``tolerance``: those of rows that are nearly undecided may
            differ.

        memory: Number of earlier iterations from which the next one is extrapolated, see ``sinkhorn_knopp``;
            ``null``: 8 for more than 16.8 million scores, otherwise 0, as the time is then not noticeable.

    Source: docs/methods/selavi.md#optimal-transport.
    """

    def __init__(
        self,
        lambda_: float = 20.0,
        marginals: Marginals | None = None,
        tolerance: float = 1e-4,
        max_iterations: int = 2000,
        relaxation: float = 1.7,
        warm_start: bool = False,
        memory: int | None = None,
    ) -> None:
        if not lambda_ > 0:
            raise ValueError(
                f"SinkhornClusterer: lambda_ is {lambda_}, expected a positive number (paper: 20)"
            )
        self.lambda_ = lambda_
        self.marginals: Marginals = UniformMarginals() if marginals is None else marginals
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.relaxation = relaxation
        self.warm_start, self.memory = warm_start, memory
        self._log_alpha: dict[int, Tensor] = {}  # by head, of the pass before

    @torch.no_grad()
    def __call__(self, scores: Tensor, context: ClusterContext) -> Assignment:
        """Label the samples of all ranks together.

        Args:
            scores: ``(n_local, K)`` floating point, sum over the modalities of log-probabilities; may be
                overwritten. Up to 16.8 million entries are solved in float64, more in the given precision;
                docs/scaling.md#number-format-of-assignments.
            context: The head, the pass and the number of modalities that were summed.

        Returns:
            Labels ``(n_local,)`` and, in the report, the solver's error and iterations and the mean over
            samples and modalities of the cross-entropy with the new labels ("cost").
        """
        if context.num_modalities < 1:
            raise ValueError(
                f"num_modalities is {context.num_modalities}, expected at least one modality in the scores"
            )
        entries = all_reduce_sum_(torch.tensor([scores.numel()], device=scores.device))
        is_large = int(entries) > SOLVED_IN_FLOAT64
        least = torch.float32 if is_large else torch.float64
        dtype = torch.promote_types(scores.dtype, least)
        scores = scores.detach().to(dtype).contiguous()
        mass, num_samples = scale_in_place(scores, self.lambda_ / context.num_modalities)
        shares = self.marginals(mass, context, num_samples)
        result = sinkhorn_knopp(
            scores,
            marginals=shares,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
            relaxation=self.relaxation,
            overwrite=True,
            log_alpha=self._start(context.head, shares),
            memory=self.memory if self.memory is not None else _MEMORY * is_large,
        )
        if self.warm_start and result.converged:
            self._log_alpha[context.head] = result.log_alpha.cpu()
        report = {
            "sinkhorn_error": result.error,
            "sinkhorn_iterations": float(result.iterations),
            "cost": -result.mean_label_score / self.lambda_,
        }
        return Assignment(result.labels, report, shares)

    def _start(self, head: int, shares: Tensor) -> Tensor | None:
        """Return the column factors of the pass before; None: there are none for so many clusters."""
        start = self._log_alpha.get(head) if self.warm_start else None
        return start if start is not None and start.shape == shares.shape else None

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the marginals (the sizes drawn so far), and the last column factors by head."""
        state: dict[str, Any] = {"marginals": self.marginals.state_dict()}
        if self._log_alpha:
            state["log_alpha"] = {head: each.clone() for head, each in self._log_alpha.items()}
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the result of ``state_dict``."""
        self.marginals.load_state_dict(state_dict["marginals"])
        self._log_alpha = {head: each.clone() for head, each in state_dict.get("log_alpha", {}).items()}


def scale_in_place(scores: Tensor, factor: float) -> tuple[Tensor, int]:
    """Multiply the scores by ``factor`` and sum their exponentials, in one pass.

    Args:
        scores: ``(n_local, K)`` contiguous log-masses; overwritten.
        factor: The factor.

    Returns:
        ``sum_i exp(scores_ik)`` before the multiplication, ``(K,)`` float64, and the number of rows, over all
        ranks.
    """
    num_local, num_clusters = scores.shape
    with RowBlocks(num_local, num_clusters * scores.element_size(), scores.device) as blocks:
        sums = scores.new_zeros(len(blocks.slices), num_clusters)

        def work(index: int) -> None:
            block = scores[blocks.slices[index]]
            torch.sum(block.exp(), 0, out=sums[index])
            block.mul_(factor)

        blocks.run(work)
        total = sums.sum(0, dtype=torch.float64)
    total = all_reduce_sum_(torch.cat([total, total.new_tensor([float(num_local)])]))
    return total[:-1], int(total[-1])
