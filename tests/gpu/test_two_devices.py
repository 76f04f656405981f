"""Two GPUs with NCCL give the results of one processor; where there are fewer, two processes with gloo do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from tests._helpers.two_processes import in_two_processes
from tests.gpu.inputs import Inputs
from unlabelled.clustering import damped_multi_sinkhorn, sinkhorn_knopp
from unlabelled.distributed import gather_equal_rows, gather_rows, gather_with_gradient, rank, world_size
from unlabelled.losses import symmetric_nce
from unlabelled.losses.pair_ranking import MaxMargin, compare_centres
from unlabelled.metrics import pair_ranks, sharded_top_k

TWO_GPUS = torch.cuda.device_count() >= 2


def _own(rows: Tensor) -> Tensor:
    return rows.chunk(world_size())[rank()]


def results(device: torch.device) -> dict[str, Tensor]:
    """Return results over the rows of all ranks, on the processor; losses as their mean over the ranks."""
    x = Inputs("two devices", device, torch.float32)
    scores = _own((x.groups(60, 5, 5) / 8).log_softmax(1) * 3)
    codes, first, second = x.normal(40, 12, scale=0.3), x.unit(16, 32).requires_grad_(), x.unit(16, 32)
    queries, bank, ids = x.unit(12, 8), x.unit(30, 8), torch.arange(30, device=device)
    visual, audio, videos = x.normal(8, 5, 16), x.normal(8, 5, 16), torch.arange(8, device=device) // 2
    found = {
        "sinkhorn": gather_rows(sinkhorn_knopp(scores).labels),
        "multi_sinkhorn": gather_rows(damped_multi_sinkhorn(_own(codes), 6)),
        "neighbours": gather_rows(sharded_top_k(_own(queries), _own(bank), _own(ids) % 4, _own(ids), 5).ids),
        "ranks": gather_rows(pair_ranks(_own(queries), _own(queries)).averaged),
    }
    nce = symmetric_nce(_own(first), _own(second), torch.ones(len(_own(first)), device=device).bool())
    nce.backward()
    assert first.grad is not None
    margin = MaxMargin()(compare_centres(_own(visual), _own(audio), _own(videos)), 0).loss
    found |= {"nce": gather_rows(nce.detach()[None]).mean(), "margin": gather_rows(margin[None]).mean()}
    gradients = first.grad.clone()
    if world_size() > 1:
        dist.all_reduce(gradients)
    found["gradient"] = gradients / world_size()
    found["gathered"] = gather_with_gradient(_own(second)) + gather_equal_rows(_own(second))
    return {name: values.cpu() for name, values in found.items()}


def in_a_process(folder: str) -> Any:
    backend = "nccl" if TWO_GPUS else "gloo"
    dist.init_process_group(backend)
    device = torch.device("cuda", rank()) if TWO_GPUS else torch.device("cpu")
    if TWO_GPUS:
        torch.cuda.set_device(device)
    try:
        return results(device)
    finally:
        dist.destroy_process_group()


def test_two_devices_are_as_one(tmp_path: Path) -> None:
    expected = results(torch.device("cpu"))
    for found in in_two_processes(in_a_process, tmp_path):
        assert found.keys() == expected.keys()
        for name, values in found.items():
            torch.testing.assert_close(values, expected[name], rtol=1e-4, atol=1e-5)
