"""Mean features of items with several rows, such as the clips of one video."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.distributed import gather_rows, rank, world_size

_PIECE = 1024  # rows of each rank that travel at a time


@torch.no_grad()
def mean_by_id(features: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean over the rows of each id on all ranks, ``(m, D)``, and the ids ``(m,)``, ascending.

    Ids are distributed over the ranks by their remainder, so that each id is on one rank; other features
    with the same ids are in the same order. Summed in float64.

    Args:
        features: ``(n, D)``, this rank's rows.
        ids: ``(n,)`` integer, from 0.

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
    everywhere = gather_rows(ids)
    mine, counts = torch.unique(everywhere[everywhere % world_size() == rank()], return_counts=True)
    sums = torch.zeros(len(mine), features.shape[1], dtype=torch.float64, device=features.device)
    longest = int(gather_rows(torch.tensor([len(ids)], device=ids.device)).max())
    for start in range(0, longest, _PIECE):
        rows, owners = (gather_rows(part[start : start + _PIECE]) for part in (features, ids))
        keep = owners % world_size() == rank()
        sums.index_add_(0, torch.searchsorted(mine, owners[keep]), rows[keep].double())
    return (sums / counts.unsqueeze(1)).to(features.dtype), mine
