"""Weighted vote of the nearest neighbours."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_sum_

_CHUNK = 8192  # queries whose votes (queries, C) are held at a time


def knn_predict(similarities: Tensor, labels: Tensor, num_classes: int, temperature: float = 0.07) -> Tensor:
    """Return each class's votes ``(n, C)`` float64; a neighbour's vote weighs ``exp(similarity / T)``.

    The votes of a query are scaled so that its nearest neighbour's is 1, which leaves their order alone and
    keeps small temperatures from overflowing.

    Args:
        similarities: ``(n, k)`` cosine similarities of the neighbours, in any order.
        labels: ``(n, k)`` their classes, from 0 to C - 1.
        num_classes: C.
        temperature: T; large: all neighbours count alike.

    Raises:
        ValueError: A label outside its range, or a temperature that is not positive.

    Source: Wu et al. 2018 (arXiv:1805.01978) section 3.4, as in DINO; docs/methods/sce.md#nearest-neighbours.
    """
    if temperature <= 0:
        raise ValueError(f"knn: temperature must be positive, got {temperature}")
    _check_labels(labels, num_classes)
    weights = similarities.double() / temperature
    weights = (weights - weights.amax(1, keepdim=True)).exp()
    votes = weights.new_zeros(len(labels), num_classes)
    rows = torch.arange(len(labels), device=labels.device)
    for rank in range(labels.shape[1]):  # one after the other: a scattered sum has no fixed order on a GPU
        votes[rows, labels[:, rank]] += weights[:, rank]
    return votes


def in_top(votes: Tensor, targets: Tensor, n: int) -> Tensor:
    """Return ``(batch,)``: whether the target is among the n classes with the most votes.

    Of equal classes the one with the smaller number comes first; a class without votes is never among them.

    Args:
        votes: ``(batch, C)``.
        targets: ``(batch,)`` from 0 to C - 1.
        n: 1 for the accuracy.
    """
    own = votes.gather(1, targets.unsqueeze(1))
    earlier = torch.arange(votes.shape[1], device=votes.device) < targets.unsqueeze(1)
    before = (votes > own) | ((votes == own) & earlier)
    return (before.sum(1) < n) & (own.squeeze(1) > 0)


def knn_accuracy(
    similarities: Tensor, labels: Tensor, targets: Tensor, num_classes: int, temperature: float = 0.07
) -> dict[str, float]:
    """Return ``accuracy`` and ``top5`` of the vote, shares in [0, 1] over the queries of all ranks.

    Args:
        similarities: ``(n, k)``, of this rank's queries.
        labels: ``(n, k)``.
        targets: ``(n,)``, the queries' classes.
        num_classes: C.
        temperature: See :func:`knn_predict`.

    Raises:
        ValueError: No rank has a query, or as :func:`knn_predict`.
    """
    _check_labels(targets, num_classes)
    counts = torch.zeros(3, dtype=torch.float64, device=targets.device)  # top-1, top-5, all
    for start in range(0, len(targets), _CHUNK):
        part = slice(start, start + _CHUNK)
        votes = knn_predict(similarities[part], labels[part], num_classes, temperature)
        hits = [in_top(votes, targets[part], n).sum() for n in (1, 5)]
        counts += torch.stack([*hits, hits[0].new_tensor(len(votes))])
    all_reduce_sum_(counts)
    if counts[2] == 0:
        raise ValueError("knn: there are no labelled samples to classify")
    return {"accuracy": float(counts[0] / counts[2]), "top5": float(counts[1] / counts[2])}


def _check_labels(labels: Tensor, num_classes: int) -> None:
    if labels.numel() and not (int(labels.min()) >= 0 and int(labels.max()) < num_classes):
        raise ValueError(
            f"knn: labels go from {int(labels.min())} to {int(labels.max())}, expected 0 to "
            f"{num_classes - 1}: check the data module's class_names"
        )
