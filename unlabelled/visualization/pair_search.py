"""Search results of a few queries for figures, in a gallery distributed over all ranks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_max_, all_reduce_sum_, gather_rows
from unlabelled.metrics import sharded_top_k

_BLOCK = 16384  # gallery rows that are compared at a time


class PairSearches(NamedTuple):
    """Results of some queries; equal on all ranks.

    Attributes:
        queries: ``(q,)`` int64, their ids, ascending.
        ids: ``(q, k)`` int64 of the results, the best first.
        similarities: ``(q, k)`` float32.
        places: ``(q,)`` float64, place of the right row, from 1; among equals the mean of their places.
        size: Rows in the gallery.
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
    """Search the gallery of all ranks for a few queries; row i of the gallery is right for query i.

    Only the chosen queries and their results are exchanged between ranks.

    Args:
        queries: ``(n, D)``, this rank's.
        gallery: ``(n, D)``, this rank's.
        ids: ``(n,)``, from 0 to 2**32 - 1, each only once over all ranks.
        chosen: ``(m,)`` ids, the same on all ranks; those that no rank has are left out.
        k: Results per query; at most the number of rows of the gallery.
        device: Device of the search and of the communication; that of the queries by default.

    Raises:
        ValueError: No rank has a row, or a value is not finite; on all ranks at once.

    Source: SSPC supplement, Figure 5; docs/methods/sspc.md#retrieval for ties.
    """
    device = queries.device if device is None else device
    mine = torch.isin(ids, chosen)
    asked, wanted = queries[mine].to(device), ids[mine].to(device)
    near = sharded_top_k(asked, gallery, ids, ids, k)
    everywhere = gather_rows(wanted)
    places = _places(gather_rows(asked), everywhere, gallery, ids)
    order = everywhere.argsort()
    size = int(all_reduce_sum_(torch.tensor(len(ids), device=device)))
    found, similarities = gather_rows(near.ids), gather_rows(near.similarities)
    return PairSearches(everywhere[order], found[order], similarities[order], places[order], size)


def _places(asked: Tensor, wanted: Tensor, gallery: Tensor, ids: Tensor) -> Tensor:
    """Return ``(q,)``: where the wanted rows stand; their scores come from the same products as others."""
    scores = asked.new_empty(len(asked), len(gallery))
    with torch.autocast(asked.device.type, enabled=False):
        for start in range(0, len(gallery), _BLOCK):
            rows = gallery[start : start + _BLOCK].to(asked)
            scores[:, start : start + len(rows)] = asked @ rows.T
    wrong = wanted.unsqueeze(1) != ids.to(asked.device)
    nothing = scores.new_full((len(asked), 1), -torch.inf)
    own = torch.cat([scores.masked_fill(wrong, -torch.inf), nothing], 1).amax(1, keepdim=True)
    all_reduce_max_(own)
    better, equal = all_reduce_sum_(torch.stack([(scores > own).sum(1), (scores == own).sum(1)]))
    places: Tensor = 1 + better + (equal - 1).double() / 2
    return places
