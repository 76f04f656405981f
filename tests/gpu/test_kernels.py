"""Every kernel, loss, clusterer, metric, augmentation and network: equal on the processor and on a GPU.

The reference is float64 on the processor; with it are compared float32 and bfloat16 autocast on the GPU, or
on the processor where there is none. Gradients are compared as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Literal

import pytest
import torch
from torch import Tensor

from tests.gpu.cases import CASES
from tests.gpu.inputs import Inputs, numbers_of
from tests.gpu.network_cases import ENCODERS, LARGE

HOST = torch.device("cpu")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ALL = DEVICE.type == "cuda" or bool(os.environ.get("UNLABELLED_GPU_TESTS"))
Precision = Literal["float32", "bfloat16"]
TOLERANCE: dict[Precision, tuple[float, float]] = {"float32": (2e-4, 2e-3), "bfloat16": (0.05, 0.15)}
"""Largest distance of values, and of gradients, as a share of their length."""
OF_NETWORKS: dict[Precision, tuple[float, float]] = {
    "float32": (1e-3, 0.02),
    "bfloat16": (0.1, 0.5),
}
"""The same: a rectifier or a maximum whose inputs are nearly equal passes another gradient on."""
NOT_IN_BFLOAT16 = {"TreeClusterer": "signs of small gradients move leaves; passes have no autocast"}


@pytest.fixture(autouse=True)
def _exact_convolutions() -> Iterator[None]:
    with torch.backends.cudnn.flags(allow_tf32=False):
        yield


def computed(name: str, device: torch.device, precision: str) -> tuple[list[Tensor], list[Tensor]]:
    """Return the tensors of a case, and the gradients of the sum of its floating-point tensors."""
    inputs = Inputs(name, device, torch.float64 if precision == "float64" else torch.float32)
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        results = list(numbers_of(CASES[name](inputs)))
    total = [_weighted(each) for each in results if each.requires_grad]
    if not total:
        return [each.cpu() for each in results], []
    gradients = torch.autograd.grad(torch.stack(total).sum(), inputs.leaves, allow_unused=True)
    return [each.detach().cpu() for each in results], [each.cpu() for each in gradients if each is not None]


def _weighted(values: Tensor) -> Tensor:
    """Return a sum with different weights, as a plain sum may be constant (of a softmax, 1)."""
    flat = values.double().flatten()
    return (flat * torch.linspace(-1, 1, len(flat), dtype=flat.dtype, device=flat.device).cos()).sum()


def distance(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """Return the largest distance of two tensors, as a share of the length; infinity for unequal integers."""
    shapes = [[tuple(each.shape) for each in part] for part in (found, expected)]
    assert shapes[0] == shapes[1]
    return max((_distance(*each) for each in zip(found, expected, strict=True)), default=0.0)


def _distance(found: Tensor, expected: Tensor) -> float:
    if torch.equal(found.double(), expected.double()):
        return 0.0
    if not expected.is_floating_point():
        return float("inf")
    numbers = expected.isfinite()
    if not torch.equal(numbers, found.isfinite()):
        return float("inf")
    apart = (found.double() - expected.double())[numbers].norm()
    return float(apart / expected[numbers].double().norm().clamp_min(1e-3))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", CASES)
def test_a_kernel_on_the_device(name: str, precision: Precision) -> None:
    if name in LARGE and not ALL:
        pytest.skip("a large network; without a GPU only with UNLABELLED_GPU_TESTS=1")
    if precision == "bfloat16" and name in NOT_IN_BFLOAT16:
        pytest.skip(NOT_IN_BFLOAT16[name])
    reference, found = computed(name, HOST, "float64"), computed(name, DEVICE, precision)
    values, gradients = (OF_NETWORKS if name in ENCODERS else TOLERANCE)[precision]
    assert distance(found[0], reference[0]) < values
    assert distance(found[1], reference[1]) < gradients


def test_a_difference_is_found() -> None:
    rows = [torch.tensor([3.0, 4.0]), torch.tensor([1, 2])]
    assert distance(rows, rows) == 0
    assert distance([torch.tensor([3.0, 4.5]), rows[1]], rows) == pytest.approx(0.1)
    assert distance([rows[0], torch.tensor([1, 3])], rows) == float("inf")
    assert distance([torch.tensor([3.0, torch.nan]), rows[1]], rows) == float("inf")
