"""A sample of bounded size of rows that are sharded over the ranks, on the first rank alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor

from unlabelled.distributed import rank, world_size
from unlabelled.seeding import numpy_generator

_BLOCK = 1024  # rows of each rank that travel at once


def sample_rows(rows: Tensor, counts: Sequence[int], size: int, seed: int) -> tuple[Tensor, list[int]]:
    """Choose ``size`` of all ranks' rows, or all if there are no more.

    Each row of the world is equally likely to be chosen, whichever rank holds it, and the choice is the same
    however the rows are cut into shards.

    Args:
        rows: ``(n_local, D)``.
        counts: Rows of every rank.
        size: Of the sample.
        seed: Equal on all ranks.

    Returns:
        This rank's rows of the sample ``(m_local, D)``, in their order, and how many each rank has.
    """
    starts = [0, *accumulate(counts)]
    if starts[-1] <= size:
        return rows, list(counts)
    chosen = draw_rows(starts[-1], size, seed)
    bounds = np.searchsorted(chosen, starts)
    mine = chosen[bounds[rank()] : bounds[rank() + 1]] - starts[rank()]
    return rows[torch.from_numpy(mine).to(rows.device)], np.diff(bounds).tolist()


def draw_rows(num_rows: int, size: int, seed: int) -> npt.NDArray[np.int64]:
    """Return ``size`` different numbers below ``num_rows``, ascending.

    NumPy takes memory in proportion to the sample, not to the rows.
    """
    generator = numpy_generator("sample of rows", seed)
    return np.sort(generator.choice(num_rows, size, replace=False, shuffle=False))


def gather_on_first(rows: Tensor, counts: Sequence[int]) -> Tensor:
    """Concatenate every rank's ``(n_local, D)`` in the host memory of rank 0, in order of rank.

    Args:
        rows: This rank's; shards may be uneven.
        counts: Rows of every rank.

    Returns:
        ``(sum of counts, D)`` on rank 0, ``(0, D)`` on the others.
    """
    if world_size() == 1:
        return rows.cpu()
    # NCCL moves only CUDA memory, gloo gathers only the host's.
    nccl = dist.get_backend() == "nccl"
    device = torch.device("cuda", torch.cuda.current_device()) if nccl else torch.device("cpu")
    whole = torch.empty(sum(counts) if rank() == 0 else 0, rows.shape[1], dtype=rows.dtype)
    places = torch.split(whole, list(counts)) if rank() == 0 else ()
    block = torch.zeros(min(_BLOCK, max(counts)), rows.shape[1], dtype=rows.dtype, device=device)
    received = [torch.empty_like(block) for _ in places]
    for start in range(0, max(counts), len(block)):
        part = rows[start : start + len(block)]
        block[: len(part)] = part
        dist.gather(block, received or None, dst=0)
        for place, sent in zip(places, received, strict=True):
            target = place[start : start + len(block)]
            target.copy_(sent[: len(target)])
    return whole
