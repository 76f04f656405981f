"""The same ranks, scores and means from one process and several, with shards of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.multiprocessing.spawn import start_processes

from unlabelled.metrics import listed_ties_scores, mean_by_id, pair_ranks, ranks, retrieval_scores

SHARDS = {1: [300], 2: [83, 217], 3: [0, 299, 1]}


def compute(rank: int, world_size: int) -> dict[str, Any]:
    """All that is compared, from this rank's pairs."""
    ranks._CPU_TILE, ranks._STEP = (32, 64), 16
    torch.manual_seed(0)
    gallery = F.normalize(torch.randn(300, 24), dim=1)
    gallery[200:290] = gallery[:90]  # copies on other ranks
    queries = F.normalize(gallery + 0.4 * torch.randn(300, 24), dim=1)
    sizes = SHARDS[world_size]
    mine = slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))
    found = pair_ranks(queries[mine], gallery[mine])
    bad = queries[mine] / (0 if rank == world_size - 1 else 1)  # on one rank; the others must not wait
    with pytest.raises(ValueError, match="not finite"):
        pair_ranks(bad, gallery[mine])
    ids = torch.arange(300) * 7 % 60
    return {
        "found": tuple(found),
        "scores": retrieval_scores(found.averaged, 310),
        "listed": listed_ties_scores(found, 310),
        "means": mean_by_id(gallery[mine], ids[mine]),
    }


def _process(rank: int, world_size: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world_size)
    torch.save(compute(rank, world_size), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_the_gallery(
    world_size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.multiprocessing.set_forkserver_preload([__name__])
    start_processes(_process, (world_size, str(tmp_path)), nprocs=world_size, start_method="forkserver")
    several = [torch.load(tmp_path / f"{rank}.pt") for rank in range(world_size)]
    for name in ("_CPU_TILE", "_STEP"):
        monkeypatch.setattr(ranks, name, getattr(ranks, name))  # restored after compute changed them
    alone = compute(0, 1)
    assert [len(one["found"][0]) for one in several] == SHARDS[world_size]
    for position, expected in enumerate(alone["found"]):
        assert torch.equal(torch.cat([one["found"][position] for one in several]), expected)
    assert (alone["found"][1][:90] == 2).all()
    for one in several:
        assert one["scores"] == alone["scores"]
        assert one["listed"] == alone["listed"]
    means, ids = (torch.cat([one["means"][part] for one in several]) for part in (0, 1))
    order = ids.argsort()
    assert torch.equal(ids[order], alone["means"][1])
    torch.testing.assert_close(means[order], alone["means"][0])
