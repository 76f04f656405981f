"""Nearest neighbours in a bank that is distributed over all ranks, and their weighted vote."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_max_, all_reduce_sum_, gather_rows, rank, world_size

NO_LABEL = -1
_NO_ROW = torch.iinfo(torch.int64).min  # below the keys of all rows
_ID_BITS = 32
_ID_MASK = 2**_ID_BITS - 1
_BLOCK = 16384  # bank rows that are compared at a time
_CHUNK = 8192  # queries whose votes (queries, C) are held at a time


class Neighbours(NamedTuple):
    """The k nearest rows of the bank for each query, the nearest first.

    Attributes:
        similarities: ``(n, k)`` float32.
        ids: ``(n, k)`` int64, ids of the rows.
        labels: ``(n, k)`` int64, labels of the rows.
    """

    similarities: Tensor
    ids: Tensor
    labels: Tensor


@torch.no_grad()
def sharded_top_k(
    queries: Tensor, bank: Tensor, labels: Tensor, ids: Tensor, k: int, chunk: int = 1024
) -> Neighbours:
    """Find the k rows of all ranks' banks with the largest dot product, for the queries of this rank.

    Queries are sent to all ranks in chunks, each rank searches its own rows, and the candidates are merged,
    so no rank holds the whole bank. The result is exact. Of equally near rows the one with the smaller id
    comes first, so it does not depend on chunks and shards. Dot products are float32 (float64 for float64
    queries), also under autocast.

    Args:
        queries: ``(n_q, D)``, queries of this rank; n_q may be 0.
        bank: ``(n_b, D)``, rows of this rank; n_b may be 0.
        labels: ``(n_b,)`` integer, labels of the rows.
        ids: ``(n_b,)`` ids of the rows, from 0 to 2**32 - 1, unique over all ranks.
        k: Number of neighbours per query; at most the number of rows of the bank.
        chunk: Number of queries of all ranks that are sent at a time.

    Raises:
        ValueError: Wrong shapes, an empty bank, or a value that is not finite; the last two on all ranks.

    Example:
        >>> bank = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
        >>> found = sharded_top_k(bank[:1], bank, labels=torch.tensor([5, 6, 7]), ids=torch.arange(3), k=2)
        >>> found.ids.tolist(), found.labels.tolist()
        ([[0, 2]], [[5, 7]])
    """
    _check(queries, bank, labels, ids, k)
    dtype = torch.float64 if queries.dtype == torch.float64 else torch.float32
    k = min(k, _total(len(bank), queries.device))
    counts = gather_rows(torch.tensor([len(queries)], device=queries.device))
    share = max(1, chunk // world_size())
    keys, found = [_empty(queries, k)], [_empty(queries, k)]
    with torch.autocast(queries.device.type, enabled=False):
        for start in range(0, int(counts.max()), share):
            part = queries[start : start + share]
            sizes = (counts - start).clamp(0, share)
            candidates = _search(gather_rows(part.to(dtype)), bank, labels, ids, k)
            first = int(sizes[: rank()].sum())
            key, label = _merge(candidates, slice(first, first + len(part)), k)
            keys.append(key)
            found.append(label)
    key = torch.cat(keys)
    return Neighbours(_similarity(key), _ID_MASK - (key & _ID_MASK), torch.cat(found))


def _total(count: int, device: torch.device) -> int:
    return int(all_reduce_sum_(torch.tensor(count, device=device)))


def _empty(like: Tensor, k: int) -> Tensor:
    return torch.empty(0, k, dtype=torch.int64, device=like.device)


def _search(queries: Tensor, bank: Tensor, labels: Tensor, ids: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return keys and labels ``(m, k)`` of the best rows of this rank, padded if it has fewer than k."""
    device = queries.device
    shape = len(queries), k
    best = torch.full(shape, _NO_ROW, device=device), torch.full(shape, NO_LABEL, device=device)
    for start in range(0, len(bank), _BLOCK):
        rows = slice(start, start + _BLOCK)
        similarity = queries @ bank[rows].to(device, queries.dtype).T
        key, column = _nearest(similarity.float(), ids[rows].to(device), min(k, similarity.shape[1]))
        best = _best(
            torch.cat([best[0], key], 1), torch.cat([best[1], labels[rows].to(device)[column]], 1), k
        )
    return best


def _nearest(similarity: Tensor, ids: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return keys and columns ``(m, k)`` of the largest similarities; of equal ones the smaller ids.

    ``topk`` may choose any of equal values, and chooses differently on a GPU. Queries with such a choice at
    the last column are compared again by whole keys, which takes several times as long.
    """
    value, column = similarity.topk(k, 1)
    key = _key(value, ids[column])
    tied = ((similarity >= value[:, -1:]).sum(1) > k).nonzero().flatten()
    if len(tied):
        key[tied], column[tied] = _key(similarity[tied], ids).topk(k, 1)
    return key, column


def _best(keys: Tensor, labels: Tensor, k: int) -> tuple[Tensor, Tensor]:
    top, column = keys.topk(k, 1)
    return top, labels.gather(1, column)


def _merge(candidates: tuple[Tensor, Tensor], own: slice, k: int) -> tuple[Tensor, Tensor]:
    """Return the best of all ranks' candidates for the queries of this rank."""
    keys, labels = (gather_rows(part.unsqueeze(0))[:, own].transpose(0, 1).flatten(1) for part in candidates)
    return _best(keys, labels, k)


def _key(similarity: Tensor, ids: Tensor) -> Tensor:
    """Combine both in one integer: ordered by similarity, then by descending id, and unique for each row."""
    bits = (similarity + 0.0).view(torch.int32)  # + 0: no negative zero
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    keys: Tensor = (ordered << _ID_BITS) | (_ID_MASK - ids.long())
    return keys


def _similarity(key: Tensor) -> Tensor:
    ordered = (key >> _ID_BITS).int()
    bits: Tensor = torch.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered)
    similarity: Tensor = bits.view(torch.float32)
    return similarity


def _check(queries: Tensor, bank: Tensor, labels: Tensor, ids: Tensor, k: int) -> None:
    if queries.ndim != 2 or bank.ndim != 2 or queries.shape[1] != bank.shape[1]:
        raise ValueError(
            f"neighbours: queries have shape {tuple(queries.shape)}, the bank {tuple(bank.shape)}; expected "
            "(n, D) and (m, D)"
        )
    if labels.shape != (len(bank),) or ids.shape != (len(bank),):
        raise ValueError(
            f"neighbours: labels have shape {tuple(labels.shape)} and ids {tuple(ids.shape)}, expected "
            f"({len(bank)},) for each: one label per row"
        )
    if k < 1:
        raise ValueError(f"neighbours: k must be at least 1, got {k}")
    _check_values(queries, bank)


def _check_values(queries: Tensor, bank: Tensor) -> None:
    """Raise the same errors on all ranks, else the other ranks would wait for this one."""
    if _total(len(bank), queries.device) == 0:
        raise ValueError(
            "neighbours: the bank is empty; there must be labelled training rows to compare with"
        )
    largest = [
        torch.linalg.vector_norm(rows, torch.inf, dtype=torch.float64).to(queries.device)
        if rows.numel()
        else queries.new_zeros((), dtype=torch.float64)
        for rows in (queries, bank)
    ]
    sizes = all_reduce_max_(torch.stack(largest).nan_to_num(nan=torch.inf))  # a maximum may lose NaN
    product = float(sizes[0]) * float(sizes[1]) * queries.shape[1]
    if not (bool(sizes.isfinite().all()) and product < torch.finfo(torch.float32).max):
        raise ValueError(
            "neighbours: features are not finite, or too large for float32; the training has diverged (lower "
            "the learning rate, or use --trainer.precision 32)"
        )


def knn_predict(similarities: Tensor, labels: Tensor, num_classes: int, temperature: float = 0.07) -> Tensor:
    """Return the votes ``(n, C)`` float64 for each class; a neighbour votes with ``exp(similarity / T)``.

    The votes of a query are scaled such that the vote of its nearest neighbour is 1. This does not change
    their order and avoids overflow at small temperatures.

    Args:
        similarities: ``(n, k)`` cosine similarities of the neighbours, in any order.
        labels: ``(n, k)`` their classes, from 0 to C - 1.
        num_classes: C.
        temperature: T; with a large T all neighbours have about equal votes.

    Raises:
        ValueError: A label outside its range, or a temperature that is not positive.

    Source: Wu et al. 2018 (arXiv:1805.01978) section 3.4, as in DINO; docs/methods/sce.md#nearest-neighbours.
    """
    if temperature <= 0:
        raise ValueError(f"knn: temperature must be positive, got {temperature}")
    _check_labels(labels, num_classes)
    similarities = similarities.double()
    weights = ((similarities - similarities.amax(1, keepdim=True)) / temperature).exp()
    votes = weights.new_zeros(len(labels), num_classes)
    rows = torch.arange(len(labels), device=labels.device)
    for column in range(labels.shape[1]):  # in sequence: a scattered sum has no fixed order on a GPU
        votes[rows, labels[:, column]] += weights[:, column]
    return votes


def in_top(votes: Tensor, targets: Tensor, n: int) -> Tensor:
    """Return a mask ``(batch,)`` of the targets that are among the n classes with the most votes.

    Of classes with equal votes the one with the smaller number comes first; classes without votes are left
    out.

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
        similarities: ``(n, k)``, similarities of the neighbours of this rank's queries.
        labels: ``(n, k)``, classes of the neighbours.
        targets: ``(n,)``, classes of the queries.
        num_classes: C.
        temperature: See :func:`knn_predict`.

    Raises:
        ValueError: No rank has a query; and as :func:`knn_predict`.
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
