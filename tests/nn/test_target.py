"""Updates of the target network; the values are those of docs/methods/sce.md#worked-examples."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unlabelled.nn.target import copy_online, cosine_momentum, make_target, update_target


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (0.9, ".9 .902447 .909549 .920611 .934549 .95 .965451 .979389 .990451 .997553 1"),
        (0.99, ".99 .990245 .990955 .992061 .993455 .995 .996545 .997939 .999045 .999755 1"),
        (0.996, ".996 .996098 .996382 .996824 .997382 .998 .998618 .999176 .999618 .999902 1"),
    ],
)
def test_momentum_of_the_worked_example(start: float, expected: str) -> None:
    found = [cosine_momentum(step, 11, start) for step in range(11)]
    assert found == pytest.approx([float(word) for word in expected.split()], abs=1e-6)
    assert found[-1] == 1.0
    assert cosine_momentum(3, 11, start, start) == start
    assert cosine_momentum(0, 1, start) == start


def test_weights_of_the_worked_example() -> None:
    online, target = nn.Linear(2, 1, bias=False), nn.Linear(2, 1, bias=False)
    online.weight.data, target.weight.data = torch.tensor([[0.5, 0.0]]), torch.tensor([[1.0, -2.0]])
    expected = [[0.95, -1.8], [0.91625, -1.665], [0.905844, -1.623375], [0.905844, -1.623375]]
    for step, weights in enumerate(expected):
        update_target([(online, target)], cosine_momentum(step, 4, 0.9))
        torch.testing.assert_close(target.weight.data, torch.tensor([weights]), atol=1e-6, rtol=0)


def _network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


def test_the_limits_are_exact_and_buffers_stay() -> None:
    online = _network()
    target = make_target(online)
    assert not any(parameter.requires_grad for parameter in target.parameters())
    assert all(parameter.requires_grad for parameter in online.parameters())
    online(torch.randn(8, 3, 4, 4))
    for parameter in online.parameters():
        parameter.data.add_(torch.randn_like(parameter))
    before = {name: value.clone() for name, value in target.state_dict().items()}
    update_target([(online, target)], 1.0)
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())
    update_target([(online, target)], 0.0)
    for mine, theirs in zip(target.parameters(), online.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert torch.equal(target[1].running_mean, before["1.running_mean"])
    assert not torch.equal(online[1].running_mean, before["1.running_mean"])
    copy_online([(online, target)])
    assert torch.equal(target[1].running_mean, online[1].running_mean)


def test_layouts_in_memory_may_differ() -> None:
    online = _network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    target = make_target(online)
    expected = [0.9 * p.detach() + 0.1 * (p.detach() + 1) for p in online.parameters()]
    for parameter in online.parameters():
        parameter.data.add_(1)
    update_target([(online, target)], 0.9)
    for found, value in zip(target.parameters(), expected, strict=True):
        torch.testing.assert_close(found, value)
