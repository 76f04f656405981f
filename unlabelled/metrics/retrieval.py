"""Retrieval: recall of a query's class among its neighbours, and scores from the ranks of matching rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.distributed import all_reduce_sum_, gather_rows, rank, world_size
from unlabelled.metrics.ranks import Ranks

KS = (1, 5, 10, 50)
_PIECE = 1024  # rows of each rank that are sent at a time


def recall_at_k(labels: Tensor, targets: Tensor, ks: Sequence[int]) -> dict[int, float]:
    """Return R@k by k: the share of queries on all ranks with a neighbour of their class among the k nearest.

    Args:
        labels: ``(n, k_max)`` classes of the nearest rows of the bank for this rank's queries, the nearest
            first; k_max is smaller than k if the bank has fewer rows.
        targets: ``(n,)``, classes of the queries.
        ks: Numbers of neighbours.

    Raises:
        ValueError: No rank has a query, or a k below 1.

    Source: SCE section 4.2.2 and Table 19; SeLaVi appendix A.7; docs/methods/sce.md#video-retrieval.
    """
    if not ks or min(ks) < 1:
        raise ValueError(f"recall: k must be at least 1, got {list(ks)}")
    same = labels == targets.unsqueeze(1)
    hits = [same[:, :k].any(1).sum() for k in ks]
    counts = torch.stack([*hits, hits[0].new_tensor(len(targets))])
    all_reduce_sum_(counts)
    if counts[-1] == 0:
        raise ValueError("recall: there are no labelled queries")
    return {k: int(hit) / int(counts[-1]) for k, hit in zip(ks, counts, strict=False)}


def centred(features: Tensor) -> Tensor:
    """Subtract the mean over the rows of all ranks from ``(n, D)``.

    Source: juliendenize/eztorch, run/retrieval_from_bank.py, which centres queries and bank each by its own
    mean; docs/methods/sce.md#video-retrieval.
    """
    total = features.double().sum(0)
    count = torch.tensor(float(len(features)), dtype=torch.float64, device=features.device)
    mean = all_reduce_sum_(total) / all_reduce_sum_(count)
    return features - mean.to(features.dtype)


def cosine_pair(queries: Tensor, bank: Tensor) -> tuple[Tensor, Tensor]:
    """Scale both sets, ``(n, D)`` and ``(m, D)``, such that their dot products are cosines."""
    return F.normalize(queries, dim=1), F.normalize(bank, dim=1)


def euclidean_pair(queries: Tensor, bank: Tensor) -> tuple[Tensor, Tensor]:
    """Extend both sets to ``(n, D + 1)`` and ``(m, D + 1)``; the nearest rows have the largest dot products.

    ``q . b - |b|^2 / 2`` decreases with the Euclidean distance of ``q`` and ``b``. It is float64, since the
    two terms nearly cancel.
    """
    queries, bank = queries.double(), bank.double()
    half = bank.square().sum(1, keepdim=True) / 2
    return torch.cat([queries, torch.ones_like(queries[:, :1])], 1), torch.cat([bank, -half], 1)


def retrieval_scores(
    ranks: Tensor, complete_size: int | None = None, ks: Sequence[int] = KS
) -> dict[str, float]:
    """Return ``recall@<k>``, ``median_rank`` and ``mean_rank`` over the queries of all ranks.

    Recalls are fractions in [0, 1] of ``complete_size``, so a missing item counts as a miss. Median and mean
    rank count from 1 and are over the present items, as in the released code. Rank 0.5, a tie for the first
    rank, counts for R@5 but not for R@1, which counts only rank 0.

    Args:
        ranks: ``(n,)``, ranks of the matching rows of this rank's queries, from 0, such as
            :attr:`Ranks.averaged`.
        complete_size: Number of items including missing ones; None: none is missing.
        ks: Values of k.

    Raises:
        ValueError: No rank has a query, there are more of them than ``complete_size``, or a k below 1.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/metric/metric.py;
    docs/methods/sspc.md#retrieval.
    """
    all_ranks, size = _gathered(ranks, complete_size, ks)
    hits = {k: (all_ranks == 0 if k == 1 else all_ranks < k) for k in ks}
    recalls = {f"recall@{k}": float(hit.sum()) / size for k, hit in hits.items()}
    return recalls | _median_and_mean(all_ranks)


def listed_ties_scores(
    ranks: Ranks, complete_size: int | None = None, ks: Sequence[int] = KS
) -> dict[str, float]:
    """Return the scores of :func:`retrieval_scores` with all ranks of a tie in the list of ranks.

    A query whose matching row is one of m ties counts m times, once for each rank of the tie, so recalls can
    exceed 1. MCN, AVLnet and the first HowTo100M model count this way; without ties the scores are the same.

    Args:
        ranks: Ranks of the matching rows of this rank's queries.
        complete_size: See :func:`retrieval_scores`.
        ks: Values of k.

    Raises:
        ValueError: As :func:`retrieval_scores`.

    Source: brian7685/Multimodal-Clustering-Network, metrics.py; docs/methods/sspc.md#retrieval.
    """
    _, size = _gathered(ranks.greater, complete_size, ks)
    greater, equal = (gather_rows(part).cpu() for part in ranks)
    first = greater.repeat_interleave(equal)
    before = (equal.cumsum(0) - equal).repeat_interleave(equal)
    all_ranks = (first + torch.arange(len(first)) - before).double()
    recalls = {f"recall@{k}": float((all_ranks < k).sum()) / size for k in ks}
    return recalls | _median_and_mean(all_ranks)


def geometric_mean_recall(scores: dict[str, float]) -> float:
    """Return the geometric mean of R@1, R@5 and R@10, by which the released code selects checkpoints."""
    return float((scores["recall@1"] * scores["recall@5"] * scores["recall@10"]) ** (1 / 3))


def _gathered(ranks: Tensor, complete_size: int | None, ks: Sequence[int]) -> tuple[Tensor, int]:
    all_ranks = gather_rows(ranks.double()).cpu()
    size = len(all_ranks) if complete_size is None else complete_size
    if len(all_ranks) == 0:
        raise ValueError("retrieval: there are no queries, expected at least one")
    if size < len(all_ranks):
        raise ValueError(
            f"retrieval: complete_size is {size}, but {len(all_ranks)} items are present; expected at least "
            f"{len(all_ranks)}"
        )
    if not ks or min(ks) < 1:
        raise ValueError(f"retrieval: k must be at least 1, got {list(ks)}")
    return all_ranks, size


def _median_and_mean(ranks: Tensor) -> dict[str, float]:
    ordered = ranks.sort().values
    middle = ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]
    return {"median_rank": float(middle) / 2 + 1, "mean_rank": float(ranks.mean()) + 1}


@torch.no_grad()
def mean_by_id(features: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean features ``(m, D)`` of each id over all ranks, and the ids ``(m,)``, ascending.

    An item, such as a video with several clips, has several rows. Ids are distributed over the ranks by their
    remainder, so each id is on one rank, and other features with the same ids have the same order. Sums are
    float64.

    Args:
        features: ``(n, D)``, rows of this rank.
        ids: ``(n,)`` integer, from 0, the item of each row.

    Raises:
        ValueError: Wrong shapes.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/trainer/trainer.py;
    docs/methods/sspc.md#retrieval.
    """
    if features.ndim != 2 or ids.shape != (len(features),):
        raise ValueError(
            f"means: features have shape {tuple(features.shape)} and ids {tuple(ids.shape)}, expected (n, D) "
            "and (n,)"
        )
    all_ids = gather_rows(ids)
    own, counts = torch.unique(all_ids[all_ids % world_size() == rank()], return_counts=True)
    sums = torch.zeros(len(own), features.shape[1], dtype=torch.float64, device=features.device)
    longest = int(gather_rows(torch.tensor([len(ids)], device=ids.device)).max())
    for start in range(0, longest, _PIECE):
        rows, items = (gather_rows(part[start : start + _PIECE]) for part in (features, ids))
        keep = items % world_size() == rank()
        sums.index_add_(0, torch.searchsorted(own, items[keep]), rows[keep].double())
    return (sums / counts.unsqueeze(1)).to(features.dtype), own
