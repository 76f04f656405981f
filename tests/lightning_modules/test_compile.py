"""torch.compile traces the networks of every method whole, and changes neither results nor names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo
from torch import nn
from torch._dynamo.utils import counters

from lightning_modules.compiled_networks import compile_networks
from tests._helpers.demos import one_demo_of_each_method
from tools.method_batches import Sizes, batch_for, method_of

SIZES: Sizes = {"image": (32, 32), "audio": (64, 64), "video": (4, 32, 32)}
FEATURES: Sizes = {"text": (5,), "video": (4,), "audio": (40, 64)}
HOST = torch.device("cpu")


def step(method: Any, demo: Path) -> list[torch.Tensor]:
    """Return the loss of a step, and the gradients."""
    torch.manual_seed(0)
    sizes = FEATURES if demo.stem in ("eao", "mcn", "sspc") else SIZES
    loss = method.training_step(batch_for(method, sizes, 8, HOST), 1)["loss"]
    weights = [each for each in method.parameters() if each.requires_grad]
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    return [loss.detach(), *(each for each in gradients if each is not None)]


@pytest.mark.parametrize("demo", one_demo_of_each_method(), ids=lambda path: path.stem)
def test_the_networks_of_a_method_are_traced_as_a_whole(demo: Path) -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)
    method = method_of(demo)
    for part in method.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    names = list(method.state_dict())
    expected = step(method, demo)
    assert compile_networks(method, backend="eager", fullgraph=True) > 0
    counters.clear()
    found = step(method, demo)
    assert counters["stats"]["unique_graphs"] > 0
    assert not counters["graph_break"]
    for got, want in zip(found, expected, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    assert list(method.state_dict()) == names
