"""The nearest rows of a bank that is spread over all ranks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_max_, all_reduce_sum_, gather_rows, rank, world_size

NO_LABEL = -1
_NOTHING = torch.iinfo(torch.int64).min  # the key of no row: below those of all rows
_ID_BITS = 32
_ID_MASK = 2**_ID_BITS - 1
_BLOCK = 16384  # bank rows that are compared at a time


class Neighbours(NamedTuple):
    """The k nearest bank rows of each query, the nearest first.

    Attributes:
        similarities: ``(n, k)`` float32.
        ids: ``(n, k)`` int64, of the bank's rows.
        labels: ``(n, k)`` int64.
    """

    similarities: Tensor
    ids: Tensor
    labels: Tensor


@torch.no_grad()
def sharded_top_k(
    queries: Tensor, bank: Tensor, labels: Tensor, ids: Tensor, k: int, chunk: int = 1024
) -> Neighbours:
    """Find the k rows with the largest dot product over all ranks' banks, for this rank's queries.

    Queries go round in chunks, every rank searches its own rows, and the candidates are merged: nobody holds
    the whole bank. Exact; of equally near rows the one with the smaller id comes first, so that neither the
    chunks nor the shards decide. Dot products are taken in float32 (float64 if the queries are), under
    autocast too.

    Args:
        queries: ``(n_q, D)``, this rank's; any number of them, none included.
        bank: ``(n_b, D)``, this rank's rows; any number of them.
        labels: ``(n_b,)`` integer.
        ids: ``(n_b,)`` from 0 to 2**32 - 1, each only once over all ranks.
        k: Neighbours per query; where the bank has fewer rows, all of them.
        chunk: Queries of all ranks together that go round at a time.

    Raises:
        ValueError: Wrong shapes, an empty bank, or a value that is not finite; on all ranks at once.
    """
    _check(queries, bank, labels, ids, k)
    dtype = torch.float64 if queries.dtype == torch.float64 else torch.float32
    k = min(k, _total(len(bank), queries.device))
    counts = gather_rows(torch.tensor([len(queries)], device=queries.device))
    share = max(1, chunk // world_size())
    keys, found = [_empty(queries, k)], [_empty(queries, k)]
    with torch.autocast(queries.device.type, enabled=False):
        for start in range(0, int(counts.max()), share):
            mine = queries[start : start + share]
            sizes = (counts - start).clamp(0, share)
            candidates = _search(gather_rows(mine.to(dtype)), bank, labels, ids, k)
            first = int(sizes[: rank()].sum())
            key, label = _answers(candidates, slice(first, first + len(mine)), k)
            keys.append(key)
            found.append(label)
    key = torch.cat(keys)
    return Neighbours(_similarity(key), _ID_MASK - (key & _ID_MASK), torch.cat(found))


def _total(count: int, device: torch.device) -> int:
    return int(all_reduce_sum_(torch.tensor(count, device=device)))


def _empty(like: Tensor, k: int) -> Tensor:
    return torch.empty(0, k, dtype=torch.int64, device=like.device)


def _search(queries: Tensor, bank: Tensor, labels: Tensor, ids: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return keys and labels ``(m, k)`` of the best rows of this rank, filled up where it has fewer."""
    device = queries.device
    shape = len(queries), k
    best = torch.full(shape, _NOTHING, device=device), torch.full(shape, NO_LABEL, device=device)
    for start in range(0, len(bank), _BLOCK):
        rows = slice(start, start + _BLOCK)
        similarity = queries @ bank[rows].to(device, queries.dtype).T
        key, where = _nearest(similarity.float(), ids[rows].to(device), min(k, similarity.shape[1]))
        best = _best(torch.cat([best[0], key], 1), torch.cat([best[1], labels[rows].to(device)[where]], 1), k)
    return best


def _nearest(similarity: Tensor, ids: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return keys and columns ``(m, k)`` of the largest similarities, of equals those with the smaller id.

    ``topk`` is free to choose among equals, and chooses otherwise on a GPU. So where the last place is
    disputed, whole keys are compared, which takes several times as long.
    """
    value, where = similarity.topk(k, 1)
    key = _key(value, ids[where])
    disputed = ((similarity >= value[:, -1:]).sum(1) > k).nonzero().flatten()
    if len(disputed):
        key[disputed], where[disputed] = _key(similarity[disputed], ids).topk(k, 1)
    return key, where


def _best(keys: Tensor, labels: Tensor, k: int) -> tuple[Tensor, Tensor]:
    top, where = keys.topk(k, 1)
    return top, labels.gather(1, where)


def _answers(candidates: tuple[Tensor, Tensor], mine: slice, k: int) -> tuple[Tensor, Tensor]:
    """Merge all ranks' candidates for this rank's queries."""
    keys, labels = (gather_rows(part.unsqueeze(0))[:, mine].transpose(0, 1).flatten(1) for part in candidates)
    return _best(keys, labels, k)


def _key(similarity: Tensor, ids: Tensor) -> Tensor:
    """Make one integer of both: ordered by similarity, then by falling id, and never equal for two rows."""
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
    """Stop on all ranks alike, or the others would wait for this one."""
    if _total(len(bank), queries.device) == 0:
        raise ValueError(
            "neighbours: the bank is empty; there must be labelled training rows to compare with"
        )
    broken = ~(torch.isfinite(queries).all() & torch.isfinite(bank).all().to(queries.device))
    if all_reduce_max_(broken.int()):
        raise ValueError(
            "neighbours: features are not finite; the training has diverged (lower the learning rate, or use "
            "--trainer.precision 32)"
        )
