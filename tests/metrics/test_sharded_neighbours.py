"""The same neighbours and scores from one and two processes, with shards of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import start_processes

from unlabelled.metrics import centred, cosine_pair, knn_accuracy, recall_at_k, sharded_top_k

SHARDS = {1: ([30], [50]), 2: ([23, 7], [46, 4]), 3: ([0, 30, 0], [1, 0, 49])}
"""Queries and bank rows of each rank."""
K = 6  # more than some shards have


def compute(rank: int, world_size: int) -> dict[str, Any]:
    """All that is compared, from this rank's queries and bank rows."""
    generator = torch.Generator().manual_seed(0)
    queries, bank = (torch.randint(-2, 3, (n, 3), generator=generator).float() for n in (30, 50))
    labels, targets = torch.arange(50) % 4, torch.arange(30) % 4
    (query_rows, bank_rows) = (
        slice(sum(sizes[:rank]), sum(sizes[: rank + 1])) for sizes in SHARDS[world_size]
    )
    near = sharded_top_k(
        queries[query_rows], bank[bank_rows], labels[bank_rows], torch.arange(50)[bank_rows], K, 5
    )
    cosine = cosine_pair(centred(queries[query_rows]), centred(bank[bank_rows]))
    unit = sharded_top_k(*cosine, labels[bank_rows], torch.arange(50)[bank_rows], K)
    bad = bank[bank_rows] / (0 if rank == world_size - 1 else 1)  # on one rank; the others must not wait
    with pytest.raises(ValueError, match="not finite"):
        sharded_top_k(queries[query_rows], bad, labels[bank_rows], torch.arange(50)[bank_rows], K)
    return {
        "near": near,
        "unit": unit.similarities,
        "knn": knn_accuracy(unit.similarities, unit.labels, targets[query_rows], 4),
        "recall": recall_at_k(near.labels, targets[query_rows], [1, 3]),
    }


def _process(rank: int, world_size: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world_size)
    torch.save(compute(rank, world_size), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_the_bank(world_size: int, tmp_path: Path) -> None:
    torch.multiprocessing.set_forkserver_preload([__name__])
    start_processes(_process, (world_size, str(tmp_path)), nprocs=world_size, start_method="forkserver")
    several = [torch.load(tmp_path / f"{rank}.pt", weights_only=False) for rank in range(world_size)]
    alone = compute(0, 1)
    assert [len(one["unit"]) for one in several] == SHARDS[world_size][0]
    for position, expected in enumerate(alone["near"]):
        assert torch.equal(torch.cat([one["near"][position] for one in several]), expected)
    torch.testing.assert_close(torch.cat([one["unit"] for one in several]), alone["unit"])
    for one in several:
        assert one["knn"] == pytest.approx(alone["knn"])
        assert one["recall"] == alone["recall"]
