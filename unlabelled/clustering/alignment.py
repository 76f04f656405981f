"""Match the clusters of one modality's head to those of another's.

Both heads are initialised at random, so cluster k of the audio is unrelated to cluster k of the video. Before
the first clustering, SeLaVi permutes the outputs of one head (arXiv:2006.13662, appendix A.3) to minimise
``sum_i sum_k |p_v(k|i) - p_a(perm[k]|i)|``. With ``C_kl = sum_i |p_v(k|i) - p_a(l|i)|`` this is a linear
assignment problem, and the gain of a switch of two outputs is read from C; docs/methods/selavi.md#alignment.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_sum_, broadcast_
from unlabelled.seeding import numpy_generator

CHUNK_ROWS = 4096  # samples per step; bounds the memory to two (K, CHUNK_ROWS) arrays


@torch.no_grad()
def alignment_cost(p_v: Tensor, p_a: Tensor) -> Tensor:
    """Return ``C_kl = sum_i |p_v_ik - p_a_il|`` ``(K, K)`` float64, summed over the samples of all ranks.

    Args:
        p_v: ``(n_local, K)`` probabilities of one modality; n_local may be 0 and differ between ranks.
        p_a: ``(n_local, K)`` probabilities of the other modality for the same samples.

    Raises:
        ValueError: The shapes differ or are not 2-D.
    """
    if p_v.ndim != 2 or p_v.shape != p_a.shape:
        raise ValueError(
            f"p_v has shape {tuple(p_v.shape)} and p_a {tuple(p_a.shape)}, expected (samples, clusters) twice"
        )
    num_clusters = p_v.shape[1]
    cost = torch.zeros(num_clusters, num_clusters, dtype=torch.float64, device=p_v.device)
    with torch.autocast(p_v.device.type, enabled=False):
        for start in range(0, len(p_v), CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            chunk_v, chunk_a = (
                p[rows].to(torch.promote_types(p.dtype, torch.float32)).t() for p in (p_v, p_a)
            )
            cost += torch.cdist(chunk_v, chunk_a, p=1.0)
    return all_reduce_sum_(cost)


def exact_alignment(cost: Tensor) -> Tensor:
    """Return the permutation ``(K,)`` int64 that minimises ``sum_k cost[k, perm[k]]``.

    Apply it as ``weight[perm]`` and ``bias[perm]`` to the second modality's last layer: its new output k is
    the old output perm[k].

    Args:
        cost: ``(K, K)``, see :func:`alignment_cost`.

    Raises:
        ValueError: ``cost`` is not square, or not finite.

    Example:
        >>> exact_alignment(torch.tensor([[4.0, 1.0, 3.0], [2.0, 0.0, 5.0], [3.0, 2.0, 2.0]])).tolist()
        [1, 0, 2]
    """
    from scipy.optimize import linear_sum_assignment

    _check_cost(cost)
    _, columns = linear_sum_assignment(cost.double().cpu().numpy())
    return torch.as_tensor(columns, dtype=torch.int64, device=cost.device)


def greedy_alignment(
    cost: Tensor,
    num_candidates: int = 50_000,
    num_restarts: int = 5,
    seed: int = 0,
    max_stall: int | None = None,
) -> Tensor:
    """Return a permutation ``(K,)`` int64 found by switches of pairs, as in the paper.

    Each restart begins with the identity, tries random pairs, and switches those that lower the cost. The
    cheapest result is returned, so its cost is at most that of the identity.

    Args:
        cost: ``(K, K)``, see :func:`alignment_cost`.
        num_candidates: Pairs tried per restart (paper: 50 000).
        num_restarts: Restarts (paper: 5; facebookresearch/selavi, src/sk_utils.py: 2).
        seed: Seed of the pairs; equal on all ranks.
        max_stall: Stop a restart after more than this many pairs in a row without a switch (released code:
            1000, which at K = 309 leaves many of the 47 586 pairs untried); None: never.
    """
    _check_cost(cost)
    num_clusters = len(cost)
    table: list[list[float]] = cost.double().cpu().tolist()
    best = list(range(num_clusters))
    for restart in range(num_restarts if num_clusters > 1 else 0):
        pairs = _random_pairs(num_clusters, num_candidates, seed, restart)
        found = _switch_pairs(table, pairs, max_stall)
        best = min(best, found, key=lambda perm: _total(table, perm))
    return torch.tensor(best, dtype=torch.int64, device=cost.device)


def _random_pairs(num_clusters: int, count: int, seed: int, restart: int) -> list[list[int]]:
    # The second is drawn from the other clusters, so all unordered pairs are equally likely.
    generator = numpy_generator("alignment", seed, restart)
    first = generator.integers(0, num_clusters, count)
    second = generator.integers(0, num_clusters - 1, count)
    second += second >= first
    pairs: list[list[int]] = [first.tolist(), second.tolist()]
    return pairs


def _switch_pairs(table: list[list[float]], pairs: list[list[int]], max_stall: int | None) -> list[int]:
    perm = list(range(len(table)))
    stalled = 0
    for i, j in zip(*pairs, strict=True):
        a, b = perm[i], perm[j]
        if table[i][a] + table[j][b] - table[i][b] - table[j][a] > 0:
            perm[i], perm[j] = b, a
            stalled = 0
            continue
        stalled += 1
        if max_stall is not None and stalled > max_stall:
            break
    return perm


def _total(table: list[list[float]], perm: list[int]) -> float:
    return sum(table[k][column] for k, column in enumerate(perm))


def _check_cost(cost: Tensor) -> None:
    if cost.ndim != 2 or cost.shape[0] != cost.shape[1]:
        raise ValueError(f"cost has shape {tuple(cost.shape)}, expected (clusters, clusters)")
    if not bool(cost.isfinite().all()):
        raise ValueError(
            "cost holds NaN or infinity: look for NaN in the features of the first clustering pass"
        )


class Alignment(ABC):
    """Finds a permutation of small cost."""

    @abstractmethod
    def __call__(self, cost: Tensor, seed: int) -> Tensor:
        """Return the permutation ``(K,)`` for ``cost (K, K)``, the same on all ranks."""


class ExactAlignment(Alignment):
    """Finds the permutation of least cost (linear assignment problem)."""

    def __call__(self, cost: Tensor, seed: int) -> Tensor:
        """Return the permutation ``(K,)`` for ``cost (K, K)``, the same on all ranks; ``seed`` is unused."""
        return broadcast_(exact_alignment(cost))


class GreedyAlignment(Alignment):
    """Switches random pairs as in the paper; its cost is 0.2 to 0.5 % above the least one at K = 309.

    Args:
        num_candidates: Pairs tried per restart.
        num_restarts: Restarts.
        max_stall: Pairs in a row without a switch after which a restart ends (released code: 1000); None:
            never.
    """

    def __init__(
        self, num_candidates: int = 50_000, num_restarts: int = 5, max_stall: int | None = None
    ) -> None:
        if num_candidates < 1 or num_restarts < 1:
            raise ValueError(
                f"GreedyAlignment: num_candidates is {num_candidates} and num_restarts {num_restarts}, "
                "expected at least 1 for both"
            )
        self.num_candidates = num_candidates
        self.num_restarts = num_restarts
        self.max_stall = max_stall

    def __call__(self, cost: Tensor, seed: int) -> Tensor:
        """Return the permutation ``(K,)`` for ``cost (K, K)``, the same on all ranks."""
        found = greedy_alignment(cost, self.num_candidates, self.num_restarts, seed, self.max_stall)
        return broadcast_(found)
