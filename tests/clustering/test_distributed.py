"""The same answers from one, two and three processes, with shards of different sizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.spawn import start_processes

from tests._helpers.clustering_examples import (
    LAMBDA,
    joint,
    long_tailed_scores,
    medium_log_probs,
    released,
    two_head_scores,
)
from unlabelled import distributed
from unlabelled.clustering import (
    ClusterContext,
    ExactAlignment,
    GaussianMarginals,
    SinkhornClusterer,
    alignment_cost,
    sinkhorn_knopp,
)
from unlabelled.metrics import ClusteringMetrics
from unlabelled.metrics.action_detection import FramePrecision

SHARDS = {1: [200], 2: [141, 59], 3: [120, 0, 80]}


def compute(rank: int, world_size: int) -> dict[str, Any]:
    """Everything that is compared, from this rank's rows of the medium example."""
    start = sum(SHARDS[world_size][:rank])
    rows = slice(start, start + SHARDS[world_size][rank])
    video, audio = medium_log_probs()
    scores = joint((video, audio))[rows]
    result = sinkhorn_knopp(scores, tolerance=1e-10)
    assignment = SinkhornClusterer(marginals=GaussianMarginals())(
        (video + audio)[rows].clone(),
        ClusterContext(head=1, num_clusters=5, num_modalities=2, seed=3, pass_index=0),
    )
    at_stop = released(scores)
    cost = alignment_cost(video[rows].exp(), audio[rows].exp())
    metric = ClusteringMetrics(num_heads=2, num_clusters=5, num_classes=4)
    truth = torch.arange(200) % 4
    metric.update(torch.stack([result.labels, assignment.labels], 1), truth[rows])
    return {
        "plan": result.plan(scores),
        "labels": result.labels,
        "column_sums": result.column_sums,
        "released": (at_stop.iterations, at_stop.error),
        "released_labels": at_stop.labels,
        "single_labels": sinkhorn_knopp(LAMBDA / 2 * two_head_scores(200, 6)[rows]).labels,
        "absorbed_labels": sinkhorn_knopp(5 * LAMBDA * long_tailed_scores(200, 6)[rows].double()).labels,
        "clusterer_labels": assignment.labels,
        "report": assignment.report,
        "cost": cost,
        "perm": ExactAlignment()(cost, seed=0),
        "metrics": metric.compute(),
        "actions": frame_precision(range(200)[rows]),
        "error": error_of(rank, scores),
        "collectives": collectives(rank),
    }


def frame_precision(frames: range) -> torch.Tensor:
    """Average precision of two actions in some frames, of a person and a box that drifts away from it."""
    metric, person = FramePrecision(2), torch.tensor([[0.0, 0.0, 0.5, 0.5]])
    for frame in frames:
        scores = torch.tensor([[frame % 7, frame % 11]]) / 11
        actions = torch.tensor([[frame % 2 == 0, frame % 3 == 0]])
        metric.update(person + 0.004 * (frame % 60), scores, person, actions)
    return metric.compute()


def error_of(rank: int, scores: torch.Tensor) -> str:
    """Only the first rank has a bad row; all must stop, or the others would wait for ever."""
    scores = scores.clone()
    if rank == 0:
        scores[5, 2] = torch.nan
    with pytest.raises(ValueError, match="1 of 200 rows") as caught:
        sinkhorn_knopp(scores)
    return str(caught.value)


def collectives(rank: int) -> dict[str, Any]:
    norm = nn.BatchNorm1d(2)
    norm.running_mean.fill_(rank)
    norm.num_batches_tracked.fill_(rank)
    distributed.average_buffers(norm)
    averaged = norm.running_mean.tolist()
    norm.running_mean.fill_(rank + 7)
    distributed.broadcast_buffers(norm)
    return {
        "who": (distributed.rank(), distributed.world_size()),
        "sum": distributed.all_reduce_sum_(torch.tensor([1.0, rank])).tolist(),
        "max": distributed.all_reduce_max_(torch.tensor([-float(rank), rank])).tolist(),
        "broadcast": distributed.broadcast_(torch.tensor(rank), src=0).item(),
        "averaged": averaged,
        "broadcast_buffers": norm.running_mean.tolist(),
        "counter": int(norm.num_batches_tracked),
    }


def _process(rank: int, world_size: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world_size)
    torch.save(compute(rank, world_size), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], list[dict[str, Any]]]:
    # Importing torch takes seconds: the server does it once, and forks the ranks.
    torch.multiprocessing.set_forkserver_preload([__name__])

    @cache
    def run_(world_size: int) -> list[dict[str, Any]]:
        if world_size == 1:
            return [compute(0, 1)]
        folder: Path = tmp_path_factory.mktemp(f"ranks{world_size}")
        start_processes(_process, (world_size, str(folder)), nprocs=world_size, start_method="forkserver")
        return [torch.load(folder / f"{rank}.pt") for rank in range(world_size)]

    return run_


@pytest.mark.parametrize("world_size", [2, 3])
def test_results_do_not_depend_on_the_number_of_ranks(
    world_size: int, run: Callable[[int], list[dict[str, Any]]]
) -> None:
    (alone,), several = run(1), run(world_size)
    assert [len(one["labels"]) for one in several] == SHARDS[world_size]
    for key in ("labels", "released_labels", "single_labels", "absorbed_labels", "clusterer_labels"):
        assert torch.equal(torch.cat([one[key] for one in several]), alone[key]), key
    torch.testing.assert_close(torch.cat([one["plan"] for one in several]), alone["plan"], atol=1e-9, rtol=0)
    for one in several:
        torch.testing.assert_close(one["column_sums"], alone["column_sums"], atol=1e-9, rtol=0)
        assert one["released"] == pytest.approx(alone["released"], rel=1e-9)
        assert one["report"] == pytest.approx(alone["report"], rel=1e-6)
        torch.testing.assert_close(one["cost"], alone["cost"])
        assert torch.equal(one["perm"], alone["perm"])
        torch.testing.assert_close(one["actions"], alone["actions"])
        assert one["error"] == alone["error"]
        for name, value in alone["metrics"].items():
            torch.testing.assert_close(one["metrics"][name], value)


def test_all_ranks_have_the_same_bits(run: Callable[[int], list[dict[str, Any]]]) -> None:
    first, second = run(2)
    assert torch.equal(first["column_sums"], second["column_sums"])
    assert torch.equal(first["cost"], second["cost"])
    assert first["report"] == second["report"]


@pytest.mark.parametrize(
    ("world_size", "total", "largest", "mean"), [(1, 0, 0, 0.0), (2, 1, 1, 0.5), (3, 3, 2, 1.0)]
)
def test_collectives(
    world_size: int, total: int, largest: int, mean: float, run: Callable[[int], list[dict[str, Any]]]
) -> None:
    for rank, one in enumerate(run(world_size)):
        assert one["collectives"] == {
            "who": (rank, world_size),
            "sum": [world_size, total],
            "max": [0, largest],
            "broadcast": 0,
            "averaged": [mean, mean],
            "broadcast_buffers": [7, 7],
            "counter": rank,
        }
