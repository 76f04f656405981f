"""EAO, SSPC and MCN: two processes have the losses, gradients and queues of one with the doubled batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import start_processes
from torch.nn.parallel import DistributedDataParallel

from lightning_modules import EAO
from tests._helpers.tri_modal import clips, norm_free, part, parts_of_a_method
from tests.lightning_modules.test_mcn import mcn
from tests.lightning_modules.test_sspc import sspc
from tests.lightning_modules.test_text_video_audio import logged
from unlabelled.distributed import gather_equal_rows

STEPS, CLIPS = 4, 12


def eao() -> EAO:
    torch.manual_seed(0)
    module = EAO(**parts_of_a_method())
    norm_free(module)
    return module


METHODS: dict[str, Callable[[], Any]] = {
    "eao": eao,
    "sspc": sspc,
    "sspc_at_once": lambda: sspc(start="now", mask_empty=True, queue_size=17),
    "sspc_text_video": lambda: sspc(audio=False),
    "mcn": mcn,
}


class Step(nn.Module):
    """Training step as the ``forward`` that DDP calls."""

    def __init__(self, method: Any) -> None:
        super().__init__()
        self.method = method
        self.keys: dict[str, list[Tensor]] = {}

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        out = self.method.training_step(batch, 0)
        self.keys = out.get("keys", {})
        loss: Tensor = out["loss"]
        return loss


def train(method: Any, rank: int, world_size: int) -> dict[str, Any]:
    """Take a few steps, each rank with its part of the clips; no buffer is sent round behind our backs."""
    values, losses = logged(method), []
    step = Step(method)
    network = DistributedDataParallel(step, broadcast_buffers=False) if world_size > 1 else step
    optimizer = torch.optim.SGD(method.parameters(), lr=0.05)
    share = CLIPS // world_size
    for number in range(STEPS):
        batch = part(clips(CLIPS, number, empty=0.3), slice(rank * share, (rank + 1) * share))
        optimizer.zero_grad()
        network(batch).backward()
        optimizer.step()
        for name, queue in getattr(method, "queues", {}).items():
            queue.push(torch.cat([gather_equal_rows(rows) for rows in step.keys[name]]))
        if number == 2 and hasattr(method, "refresh_centroids"):
            method.refresh_centroids()
        losses.append(dict(values))
    return {"losses": losses, "state": method.state_dict()}


def compute(rank: int, world_size: int) -> dict[str, Any]:
    return {name: train(make(), rank, world_size) for name, make in METHODS.items()}


def _process(rank: int, world_size: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world_size)
    torch.save(compute(rank, world_size), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    torch.multiprocessing.set_forkserver_preload([__name__])
    folder: Path = tmp_path_factory.mktemp("ranks")
    start_processes(_process, (2, str(folder)), nprocs=2, start_method="forkserver")
    return compute(0, 1), [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("name", METHODS)
def test_two_processes_equal_one(name: str, results: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    alone, several = results
    for one in several:
        for step, (mine, expected) in enumerate(zip(one[name]["losses"], alone[name]["losses"], strict=True)):
            assert mine == pytest.approx(expected, rel=1e-3, abs=1e-5), step
        for key, value in alone[name]["state"].items():
            torch.testing.assert_close(one[name]["state"][key], value, atol=2e-5, rtol=1e-3, msg=key)
    last = alone[name]["losses"][-1]
    wanted = {"eao": "train/nce", "mcn": "train/cluster"}
    assert wanted.get(name, "train/sspc") in last
