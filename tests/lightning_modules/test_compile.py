"""torch.compile traces the networks of every method whole, and changes neither results nor names."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo
from torch import nn
from torch._dynamo.utils import counters

from lightning_modules.accelerated_networks import compile_networks, lay_channels_last
from tests._helpers.demos import one_demo_of_each_method
from tools.method_batches import Sizes, batch_for, method_of
from unlabelled.encoders import SmallImageEncoder

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


def test_channels_last_changes_no_number() -> None:
    demos = {demo.stem: demo for demo in one_demo_of_each_method()}
    torch.manual_seed(0)
    method = method_of(demos["selavi"], video_encoder={"class_path": "unlabelled.encoders.ResNet3D"})
    for part in method.modules():
        if isinstance(part, nn.BatchNorm3d):
            nn.init.ones_(part.weight)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    expected = step(method, demos["selavi"])
    assert lay_channels_last(method) > 20
    kernels = [each for each in method.parameters() if each.ndim == 5 and each.shape[1] > 1]
    assert all(each.is_contiguous(memory_format=torch.channels_last_3d) for each in kernels)
    assert not any(each.is_contiguous() for each in kernels if each[0, 0].numel() > 1)
    for name in (each for each in before if "running" not in each and "tracked" not in each):
        assert torch.equal(method.state_dict()[name], before[name])
    found = step(method, demos["selavi"])
    torch.testing.assert_close(found[0], expected[0], rtol=1e-4, atol=1e-5)


def test_a_copy_of_a_compiled_encoder_computes_with_its_own_weights() -> None:
    encoder = SmallImageEncoder(2).eval()
    encoder.compile(backend="eager")
    copied = copy.deepcopy(encoder)
    for weight in copied.parameters():
        weight.data.zero_()
    images = torch.randn(2, 3, 32, 32)
    assert float(encoder(images).detach().abs().sum()) > 0
    assert float(copied(images).detach().abs().sum()) == 0
    assert "feature_maps" not in pickle.loads(pickle.dumps(encoder)).__dict__
