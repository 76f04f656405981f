"""Search results of a few queries, for figures, in a gallery that is distributed over all ranks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_max_, all_reduce_sum_, gather_rows
from unlabelled.metrics import sharded_top_k

_BLOCK = 16384  # gallery rows that are compared at a time


class PairSearches(NamedTuple):
    """Results of several queries; equal on all ranks.

    Attributes:
        queries: ``(q,)`` int64, ids of the queries, ascending.
        ids: ``(q, k)`` int64, ids of the results, the best first.
        similarities: ``(q, k)`` float32.
        places: ``(q,)`` float64, rank of the matching row, from 1; with ties the mean of their ranks.
        size: Number of rows in the gallery.
    """

    queries: Tensor
    ids: Tensor
    similarities: Tensor
    places: Tensor
    size: int


@torch.no_grad()
def search_pairs(
    queries: Tensor, gallery: Tensor, ids: Tensor, chosen: Tensor, k: int, device: torch.device | None = None
) -> PairSearches:
    """Search the gallery of all ranks for a few queries; row i of the gallery matches query i.

    Ranks exchange only the chosen queries and their results.

    Args:
        queries: ``(n, D)``, queries of this rank.
        gallery: ``(n, D)``, rows of this rank.
        ids: ``(n,)``, from 0 to 2**32 - 1, unique over all ranks.
        chosen: ``(m,)`` ids of the queries, equal on all ranks; ids that no rank has are left out.
        k: Number of results per query; at most the number of rows of the gallery.
        device: Device of the search and of the communication; that of the queries by default.

    Raises:
        ValueError: No rank has a row, or a value is not finite; on all ranks.

    Source: SSPC supplement, Figure 5; docs/methods/sspc.md#retrieval for ties.
    """
    device = queries.device if device is None else device
    is_chosen = torch.isin(ids, chosen)
    own_queries, own_ids = queries[is_chosen].to(device), ids[is_chosen].to(device)
    near = sharded_top_k(own_queries, gallery, ids, ids, k)
    all_ids = gather_rows(own_ids)
    places = _ranks_from_1(gather_rows(own_queries), all_ids, gallery, ids)
    order = all_ids.argsort()
    size = int(all_reduce_sum_(torch.tensor(len(ids), device=device)))
    found, similarities = gather_rows(near.ids), gather_rows(near.similarities)
    return PairSearches(all_ids[order], found[order], similarities[order], places[order], size)


def _ranks_from_1(queries: Tensor, matching: Tensor, gallery: Tensor, ids: Tensor) -> Tensor:
    """Return the ranks ``(q,)``, from 1, of the rows with the ids ``matching (q,)``; ties have their mean."""
    scores = queries.new_empty(len(queries), len(gallery))
    with torch.autocast(queries.device.type, enabled=False):
        for start in range(0, len(gallery), _BLOCK):
            rows = gallery[start : start + _BLOCK].to(queries)
            scores[:, start : start + len(rows)] = queries @ rows.T
    others = matching.unsqueeze(1) != ids.to(queries.device)
    no_row = scores.new_full((len(queries), 1), -torch.inf)
    own = torch.cat([scores.masked_fill(others, -torch.inf), no_row], 1).amax(1, keepdim=True)
    all_reduce_max_(own)
    better, equal = all_reduce_sum_(torch.stack([(scores > own).sum(1), (scores == own).sum(1)]))
    ranks: Tensor = 1 + better + (equal - 1).double() / 2
    return ranks
