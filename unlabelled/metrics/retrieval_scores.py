"""What is reported of the ranks at which queries find the rows that belong to them."""

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

    Recalls are fractions in [0, 1] of ``complete_size``: an item that is missing is a miss. The ranks of the
    other two count from 1 and are taken over the items that are present, as in the reference. Rank 0.5, a tie
    for the first place, is within the first 5 but not the first: R@1 counts rank 0 alone.

    Args:
        ranks: ``(n,)`` of this rank's queries, from 0, such as :attr:`Ranks.averaged`.
        complete_size: Number of items with those that are missing; None: none is.
        ks: Places that are near enough.

    Raises:
        ValueError: No rank has a query, there are more of them than ``complete_size``, or a k below 1.

    Source: reference sspc.md section 3.2.
    """
    places, size = _gathered(ranks, complete_size, ks)
    hits = {k: (places == 0 if k == 1 else places < k) for k in ks}
    recalls = {f"recall@{k}": float(hit.sum()) / size for k, hit in hits.items()}
    return recalls | _centre(places)


def listed_ties_scores(
    ranks: Ranks, complete_size: int | None = None, ks: Sequence[int] = KS
) -> dict[str, float]:
    """Return the same as :func:`retrieval_scores` with each place of a tie in the list of ranks.

    A query whose right row is one of m equals counts m times, once for each of their places: recalls can
    exceed 1. That is how MCN, AVLnet and the first HowTo100M model count; without ties it is the same.

    Args:
        ranks: Of this rank's queries.
        complete_size: As above.
        ks: As above.

    Raises:
        ValueError: As above.

    Source: reference sspc.md sections 3.2 and 6.7.
    """
    _, size = _gathered(ranks.greater, complete_size, ks)
    greater, equal = (gather_rows(part).cpu() for part in ranks)
    first = greater.repeat_interleave(equal)
    before = (equal.cumsum(0) - equal).repeat_interleave(equal)
    places = (first + torch.arange(len(first)) - before).double()
    recalls = {f"recall@{k}": float((places < k).sum()) / size for k in ks}
    return recalls | _centre(places)


def geometric_mean_recall(scores: dict[str, float]) -> float:
    """Return the geometric mean of R@1, R@5 and R@10, which the released code selects checkpoints by."""
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
