"""Multi-SK and the centroids of MCN: the same from one process and from two, with shards of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import start_processes

from tests._helpers.multi_sinkhorn_oracle import cosines
from unlabelled.clustering import CosineCentroids, damped_multi_sinkhorn, graded_multi_sinkhorn

SHARDS = {1: [[60], [60]], 2: [[41, 19], [60, 0]]}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"order": "code"},
    {"order": "code", "denominator_eps": 1e-5},
    {"epsilon": 0.002},
    {"num_iterations": 1},
]


def compute(rank: int, world_size: int) -> dict[str, Any]:
    scores = torch.stack([cosines(60, 8, seed=seed) for seed in range(3)]).double()
    codes = []
    for shards in SHARDS[world_size]:
        start = sum(shards[:rank])
        rows = scores[:, start : start + shards[rank]]
        for function in (damped_multi_sinkhorn, graded_multi_sinkhorn):
            codes += [function(rows, 4, **options) for options in OPTIONS]
    centroids = CosineCentroids(4, 8, seed=1)
    centroids.fit(scores[0].float() + 1e-7 * rank)  # as if this rank's sums had been rounded differently
    return {"codes": codes, "centroids": centroids.centroids, "error": error_of(rank, scores[0])}


def error_of(rank: int, scores: torch.Tensor) -> str:
    """Only one rank has a bad row; all must stop, or the others would wait for ever."""
    rows = scores[: 20 + rank].clone()
    if rank == 0:
        rows[5, 2] = torch.nan
    with pytest.raises(ValueError, match=r"1 of .* rows") as caught:
        damped_multi_sinkhorn(rows, 4)
    return str(caught.value)


def _process(rank: int, world_size: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world_size)
    torch.save(compute(rank, world_size), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    torch.multiprocessing.set_forkserver_preload([__name__])
    folder: Path = tmp_path_factory.mktemp("ranks")
    start_processes(_process, (2, str(folder)), nprocs=2, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def test_codes_do_not_depend_on_the_shards(two: list[dict[str, Any]]) -> None:
    alone = compute(0, 1)["codes"]
    assert len(alone) == 4 * len(OPTIONS)
    for expected, first, second in zip(alone, two[0]["codes"], two[1]["codes"], strict=True):
        assert second.shape[1] in (0, 19)
        torch.testing.assert_close(torch.cat([first, second], 1), expected, atol=1e-10, rtol=0)


def test_all_ranks_hold_the_same_centroids(two: list[dict[str, Any]]) -> None:
    assert torch.equal(two[0]["centroids"], two[1]["centroids"])
    torch.testing.assert_close(two[0]["centroids"], compute(0, 1)["centroids"])


def test_all_ranks_raise_the_same_error(two: list[dict[str, Any]]) -> None:
    assert two[0]["error"] == two[1]["error"]
    assert "1 of 41 rows" in two[0]["error"]
