"""Losses over rows of all ranks: two processes get the values and gradients of one with the doubled batch."""

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

from unlabelled.losses import (
    MaskedMarginSoftmax,
    StructureWeights,
    SymmetricNCE,
    anchor_cost,
    cluster_loss,
    contrast_terms,
    reconstruction_loss,
    structure_loss,
    transformation_contrast,
)
from unlabelled.nn.anchors import AnchorKey

ROWS = 6  # of each of two ranks
MASKS = {
    "all": [True] * 12,
    "uneven": [True, False, False, False, False, True, True, True, True, False, True, True],
    "one rank has none": [False] * 6 + [True, True, False, True, False, True],
    "none": [False] * 12,
}


class Towers(nn.Module):
    """Two linear towers; the losses compare their outputs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(5, 4), nn.Linear(3, 4)

    def forward(self, loss: Callable[[Tensor, Tensor], Tensor], data: tuple[Tensor, Tensor]) -> Tensor:
        return loss(self.first(data[0]), self.second(data[1]))


def losses(rows: slice, mask: Tensor) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    generator = torch.Generator().manual_seed(2)
    targets = torch.rand(12, 4, generator=generator)[rows]
    labels = (torch.arange(12) % 4)[rows]
    centroids = torch.randn(4, 4, generator=generator)
    valid = {"text": mask, "video": ~mask}

    def structure(first: Tensor, second: Tensor) -> Tensor:
        terms = StructureWeights(cross_modal=False).terms(["text"])
        keys = AnchorKey("input", "text", "text"), AnchorKey("projected", "text", "text")
        scores = dict(zip(keys, (first, second), strict=True))
        return structure_loss(scores, dict.fromkeys(keys, targets), terms, counted={"text": mask}).total

    def transformations(first: Tensor, second: Tensor) -> Tensor:
        copies = [
            torch.stack([part, part * targets, part - 1, part.roll(1, 1)], 1) for part in (first, second)
        ]
        video, audio = (part.unflatten(1, (2, 2)) for part in copies)
        return transformation_contrast(video, audio, contrast_terms("variant", "invariant"), 0.2).loss

    return {
        "nce": lambda first, second: SymmetricNCE(0.2)(first, second, mask),
        "mms": lambda first, second: MaskedMarginSoftmax(0.1)(first, second, mask),
        "two pairs": lambda first, second: (
            SymmetricNCE()(first, second, mask) + SymmetricNCE()(second, first, ~mask)
        ),
        "anchors": lambda first, second: anchor_cost(first, targets, weight=mask) + 0 * second.sum(),
        "structure": structure,
        "clusters": lambda first, second: cluster_loss(
            {"text": first, "video": second}, centroids, labels, valid=valid
        ),
        "reconstruction": lambda first, second: reconstruction_loss(
            {"text": first, "video": second}, {"text": targets, "video": 2 * targets}, valid
        ),
        "transformations": transformations,
    }


def compute(rank: int, world_size: int) -> dict[tuple[str, str], tuple[float, list[Tensor]]]:
    """Return each loss, and the gradients that the optimiser would see."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(12, 5, generator=generator), torch.randn(12, 3, generator=generator)
    rows = slice(rank * ROWS, (rank + 1) * ROWS) if world_size > 1 else slice(0, 12)
    module: nn.Module = Towers()
    parameters = list(module.parameters())
    if world_size > 1:
        module = DistributedDataParallel(module)
    results = {}
    for case, mask in MASKS.items():
        for name, loss in losses(rows, torch.tensor(mask)[rows]).items():
            module.zero_grad()
            value = module(loss, (inputs[0][rows], inputs[1][rows]))
            value.backward()
            results[case, name] = float(value.detach()), [one.grad.clone() for one in parameters]
    return results


def _process(rank: int, world_size: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world_size)
    torch.save(compute(rank, world_size), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[Any, Any]]:
    torch.multiprocessing.set_forkserver_preload([__name__])
    folder: Path = tmp_path_factory.mktemp("ranks")
    start_processes(_process, (2, str(folder)), nprocs=2, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("case", MASKS)
def test_two_processes_equal_one_with_the_doubled_batch(case: str, two: list[dict[Any, Any]]) -> None:
    alone = {key: result for key, result in compute(0, 1).items() if key[0] == case}
    assert len(alone) == 8
    for key, (value, gradients) in alone.items():
        assert (two[0][key][0] + two[1][key][0]) / 2 == pytest.approx(value, rel=1e-5, abs=1e-7), key
        for rank in two:
            torch.testing.assert_close(rank[key][1], gradients, atol=1e-6, rtol=1e-5)
    assert any(one.abs().max() > 1e-3 for one in alone[case, "two pairs"][1])
