"""Retrieval scores from the ranks of the right rows: recalls, median and mean rank."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unlabelled.distributed import gather_rows
from unlabelled.metrics.ranks import Ranks

KS = (1, 5, 10, 50)


def retrieval_scores(
    ranks: Tensor, complete_size: int | None = None, ks: Sequence[int] = KS
) -> dict[str, float]:
    """Return ``recall@<k>``, ``median_rank`` and ``mean_rank`` over the queries of all ranks.

    Recalls are fractions in [0, 1] of ``complete_size``: a missing item is a miss. Median and mean rank count
    from 1 and are over the items that are present, as in the released code. Rank 0.5, a tie for the first
    place, counts for R@5 but not for R@1, which counts rank 0 alone.

    Args:
        ranks: ``(n,)`` of this rank's queries, from 0, such as :attr:`Ranks.averaged`.
        complete_size: Number of items including missing ones; None: none is missing.
        ks: Values of k.

    Raises:
        ValueError: No rank has a query, there are more of them than ``complete_size``, or a k below 1.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/metric/metric.py;
    docs/methods/sspc.md#retrieval.
    """
    places, size = _gathered(ranks, complete_size, ks)
    hits = {k: (places == 0 if k == 1 else places < k) for k in ks}
    recalls = {f"recall@{k}": float(hit.sum()) / size for k, hit in hits.items()}
    return recalls | _centre(places)


def listed_ties_scores(
    ranks: Ranks, complete_size: int | None = None, ks: Sequence[int] = KS
) -> dict[str, float]:
    """Return the scores of :func:`retrieval_scores` with every place of a tie in the list of ranks.

    A query whose right row is one of m equals counts m times, once for each of their places: recalls can
    exceed 1. MCN, AVLnet and the first HowTo100M model count so; without ties the scores are the same.

    Args:
        ranks: Of this rank's queries.
        complete_size: As above.
        ks: As above.

    Raises:
        ValueError: As above.

    Source: brian7685/Multimodal-Clustering-Network, metrics.py; docs/methods/sspc.md#retrieval.
    """
    _, size = _gathered(ranks.greater, complete_size, ks)
    greater, equal = (gather_rows(part).cpu() for part in ranks)
    first = greater.repeat_interleave(equal)
    before = (equal.cumsum(0) - equal).repeat_interleave(equal)
    places = (first + torch.arange(len(first)) - before).double()
    recalls = {f"recall@{k}": float((places < k).sum()) / size for k in ks}
    return recalls | _centre(places)


def geometric_mean_recall(scores: dict[str, float]) -> float:
    """Return the geometric mean of R@1, R@5 and R@10, by which the released code selects checkpoints."""
    return float((scores["recall@1"] * scores["recall@5"] * scores["recall@10"]) ** (1 / 3))


def _gathered(ranks: Tensor, complete_size: int | None, ks: Sequence[int]) -> tuple[Tensor, int]:
    places = gather_rows(ranks.double()).cpu()
    size = len(places) if complete_size is None else complete_size
    if len(places) == 0:
        raise ValueError("retrieval: there are no queries, expected at least one")
    if size < len(places):
        raise ValueError(
            f"retrieval: complete_size is {size}, but {len(places)} items are present; expected at least as "
            "many"
        )
    if not ks or min(ks) < 1:
        raise ValueError(f"retrieval: k must be at least 1, got {list(ks)}")
    return places, size


def _centre(places: Tensor) -> dict[str, float]:
    ordered = places.sort().values
    middle = ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]
    return {"median_rank": float(middle) / 2 + 1, "mean_rank": float(places.mean()) + 1}
