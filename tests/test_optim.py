"""LARS and the schedule against values (docs/methods/sce.md#worked-examples) and formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonargparse import ArgumentParser
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import nn

from unlabelled.optim import LARS, PiecewiseLR, WarmupCosine, WarmupSteps

MATRIX, GRADIENT = [[1.0, 2.0], [-1.0, 0.5]], [[0.1, -0.2], [0.3, 0.4]]


def parameter(values: Sequence[Any]) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values, dtype=torch.float64))


def step(optimizer: torch.optim.Optimizer, gradients: Sequence[Sequence[Any]]) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for p, gradient in zip(parameters, gradients, strict=True):
        p.grad = torch.tensor(gradient, dtype=torch.float64)
    optimizer.step()


def assert_near(tensor: torch.Tensor, values: Sequence[Any]) -> None:
    torch.testing.assert_close(tensor.detach(), torch.tensor(values, dtype=tensor.dtype), atol=1e-6, rtol=0)


def test_lars_gives_the_vectors_of_the_worked_example() -> None:
    matrix, vector = parameter(MATRIX), parameter([1.0, -1.0])
    optimizer = LARS([matrix, vector], lr=0.5, momentum=0.9, weight_decay=0.01, trust_coefficient=0.001)
    step(optimizer, [GRADIENT, [0.1, 0.2]])
    assert_near(matrix, [[0.999745817, 2.000415936], [-1.000670120, 0.499064143]])
    assert_near(vector, [0.95, -1.1])
    step(optimizer, [GRADIENT, [0.1, 0.2]])
    assert_near(matrix, [[0.999262837, 2.001206267], [-1.001943430, 0.497285899]])
    assert_near(vector, [0.855, -1.29])
    assert optimizer.param_groups[0]["weight_decay"] == 0.01


@settings(deadline=None, max_examples=25)
@given(
    decay=st.floats(0, 1),
    momentum=st.floats(0, 0.99),
    trust=st.floats(1e-4, 1),
    kernel=st.sampled_from([(3, 2), (4, 3, 2, 2), (5,), ()]),
    seed=st.integers(0, 1000),
)
def test_lars_equals_its_formula(
    decay: float, momentum: float, trust: float, kernel: tuple[int, ...], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(kernel, generator=generator, dtype=torch.float64)
    p = nn.Parameter(start.clone())
    optimizer = LARS([p], lr=0.3, momentum=momentum, weight_decay=decay, trust_coefficient=trust)
    expected, buffer = start.clone(), torch.zeros_like(start)
    for _ in range(3):
        gradient = torch.randn(kernel, generator=generator, dtype=torch.float64)
        p.grad = gradient.clone()
        optimizer.step()
        if len(kernel) > 1:
            gradient = gradient + decay * expected
            gradient = trust * expected.norm() / gradient.norm() * gradient
        buffer = momentum * buffer + gradient
        expected = expected - 0.3 * buffer
    torch.testing.assert_close(p.detach(), expected)


def test_zero_norms_are_not_scaled() -> None:
    zero, still = parameter([[0.0, 0.0]]), parameter([[1.0, 2.0]])
    step(LARS([zero, still], lr=1.0), [[[0.1, 0.2]], [[0.0, 0.0]]])
    assert_near(zero, [[-0.1, -0.2]])
    assert_near(still, [[1.0, 2.0]])


def test_lars_with_a_closure_adds_the_decay_to_its_gradients() -> None:
    alone, closed = parameter(MATRIX), parameter(MATRIX)
    step(LARS([alone], lr=0.5, weight_decay=0.1), [GRADIENT])
    optimizer = LARS([closed], lr=0.5, weight_decay=0.1)

    def closure() -> float:
        optimizer.zero_grad()
        loss = (closed * torch.tensor(GRADIENT)).sum()
        loss.backward()
        return float(loss.detach())

    assert optimizer.step(closure) == pytest.approx(-0.4)
    torch.testing.assert_close(closed, alone)


def test_lars_leaves_parameters_without_gradient_alone() -> None:
    p = parameter(MATRIX)
    LARS([p], weight_decay=0.1).step()
    assert_near(p, MATRIX)


def test_lars_groups_have_their_own_decay() -> None:
    one, other = parameter(MATRIX), parameter(MATRIX)
    optimizer = LARS([{"params": [one]}, {"params": [other], "weight_decay": 0.0}], lr=0.5, weight_decay=0.1)
    step(optimizer, [GRADIENT, GRADIENT])
    plain = parameter(MATRIX)
    step(LARS([plain], lr=0.5), [GRADIENT])
    torch.testing.assert_close(other, plain)
    assert not torch.allclose(one, plain, atol=1e-6)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]


@pytest.mark.parametrize("wrong", [{"weight_decay": -1.0}, {"momentum": 1.5}, {"trust_coefficient": -1.0}])
def test_lars_refuses_values_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LARS([parameter(MATRIX)], **wrong)


class Run:
    """Two groups with different rates under LARS and the schedule."""

    def __init__(self, total_steps: int = 10) -> None:
        self.matrix, self.vector = parameter(MATRIX), parameter([1.0, -1.0])
        groups = [{"params": [self.matrix]}, {"params": [self.vector], "lr": 0.2}]
        self.optimizer = LARS(groups, lr=0.5, weight_decay=0.01)
        self.scheduler = WarmupCosine(self.optimizer, warmup_epochs=1.5, end_factor=0.1)
        self.scheduler.set_horizon(total_steps, steps_per_epoch=2)

    def go(self, steps: int) -> list[list[float]]:
        rates = []
        for _ in range(steps):
            rates.append([group["lr"] for group in self.optimizer.param_groups])
            step(self.optimizer, [GRADIENT, [0.1, 0.2]])
            self.scheduler.step()
        return rates

    def save(self, path: Path) -> None:
        torch.save([self.matrix.data, self.vector.data, *(self.states())], path)

    def states(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.optimizer.state_dict(), self.scheduler.state_dict()

    def load(self, path: Path) -> None:
        matrix, vector, optimizer, scheduler = torch.load(path, weights_only=True)
        self.matrix.data, self.vector.data = matrix, vector
        self.optimizer.load_state_dict(optimizer)
        self.scheduler.load_state_dict(scheduler)


@pytest.mark.parametrize("stop", [0, 2, 3, 7])
def test_a_resumed_run_equals_an_uninterrupted_one(stop: int, tmp_path: Path) -> None:
    whole, first, second = Run(), Run(), Run()
    rates = whole.go(10)
    before = first.go(stop)
    first.save(tmp_path / "run.pt")
    second.load(tmp_path / "run.pt")
    assert before + second.go(10 - stop) == rates
    assert torch.equal(second.matrix, whole.matrix)
    assert torch.equal(second.vector, whole.vector)


def test_a_resumed_run_follows_its_own_horizon(tmp_path: Path) -> None:
    short, long, resumed = Run(10), Run(20), Run(20)
    short.go(5)
    short.save(tmp_path / "run.pt")
    resumed.load(tmp_path / "run.pt")
    assert resumed.go(15) == long.go(20)[5:]


def rates(
    peak: float, total: int, steps: int | None = None, per_epoch: float = 1, **options: float
) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=peak)
    scheduler = WarmupCosine(optimizer, **options)
    scheduler.set_horizon(total, per_epoch)
    result = []
    for _ in range(total if steps is None else steps):
        result.append(optimizer.param_groups[0]["lr"])
        assert scheduler.get_last_lr() == [result[-1]]
        optimizer.step()
        scheduler.step()
    return result


def test_schedule_gives_the_vector_of_the_worked_example() -> None:
    expected = [0, 2.4, 4.8, 4.8, 4.562325, 3.896376, 2.934050, 1.865950, 0.903624, 0.237675]
    assert rates(4.8, 10, warmup_epochs=3) == pytest.approx(expected, abs=1e-6)
    assert rates(4.8, 10, per_epoch=2, warmup_epochs=1.5) == pytest.approx(expected, abs=1e-6)
    assert rates(4.8, 10, per_epoch=0.75, warmup_epochs=4) == pytest.approx(expected, abs=1e-6)


def test_schedule_without_and_with_one_step_of_warm_up() -> None:
    cosine = [(1 + math.cos(math.pi * t / 4)) / 2 for t in range(5)]
    assert rates(1.0, 4) == pytest.approx(cosine[:4])
    assert rates(1.0, 5, warmup_epochs=1) == pytest.approx([0, *cosine[:4]])


def test_schedule_ends_at_its_end_factor_and_stays_there() -> None:
    curve = rates(2.0, 6, steps=9, warmup_epochs=2, end_factor=0.25)
    assert curve[1:3] == [2.0, 2.0]
    assert curve[6:] == pytest.approx([0.5] * 3)


def test_a_run_shorter_than_its_warm_up_stops_within_it() -> None:
    assert rates(1.0, 2, warmup_epochs=5) == pytest.approx([0, 0.25])


@settings(deadline=None, max_examples=50)
@given(total=st.integers(1, 60), warmup=st.integers(0, 30), end=st.floats(0, 1))
def test_schedule_rises_and_falls_between_its_bounds(total: int, warmup: int, end: float) -> None:
    curve = rates(3.0, total, warmup_epochs=warmup, end_factor=end)
    assert curve[:warmup] == sorted(curve[:warmup])
    assert curve[warmup:] == sorted(curve[warmup:], reverse=True)
    assert all(end * 3.0 - 1e-9 <= rate <= 3.0 for rate in curve[warmup:])


def test_steps_before_the_horizon_are_refused() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = WarmupCosine(optimizer, warmup_epochs=3)
    optimizer.step()
    with pytest.raises(RuntimeError, match="call set_horizon"):
        scheduler.step()


@pytest.mark.parametrize(("total", "per_epoch"), [(0, 1), (-1, 1), (math.inf, 1), (10, 0), (10, math.inf)])
def test_a_run_without_end_is_refused(total: int, per_epoch: float) -> None:
    scheduler = WarmupCosine(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0))
    with pytest.raises(ValueError, match=f"the run has {total} steps and {per_epoch} per epoch"):
        scheduler.set_horizon(total, per_epoch)


@pytest.mark.parametrize("wrong", [{"warmup_epochs": -1}, {"end_factor": -0.1}])
def test_schedule_refuses_negative_numbers(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected numbers >= 0"):
        WarmupCosine(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0), **wrong)


def test_state_does_not_hold_the_shape_of_the_curve() -> None:
    assert set(Run().scheduler.state_dict()) == {"last_epoch", "_step_count", "base_lrs"}


def test_both_are_made_from_a_configuration() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--optimizer", type=OptimizerCallable)
    parser.add_argument("--scheduler", type=LRSchedulerCallable)
    lars = {"lr": 0.3, "momentum": 0.8, "weight_decay": 1e-6, "trust_coefficient": 0.01}
    made = parser.instantiate(
        parser.parse_object(
            {
                "optimizer": {"class_path": "unlabelled.optim.LARS", "init_args": lars},
                "scheduler": {
                    "class_path": "unlabelled.optim.WarmupCosine",
                    "init_args": {"warmup_epochs": 2},
                },
            }
        )
    )
    optimizer = made.optimizer([parameter(MATRIX)])
    assert isinstance(optimizer, LARS)
    assert {name: optimizer.param_groups[0][name] for name in lars} == lars
    assert isinstance(made.scheduler(optimizer), WarmupCosine)


def test_piecewise_rates_of_selavi() -> None:
    layer = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.0025)
    schedule = PiecewiseLR(optimizer, [1, 4.5, 8, 8, 8, 8, 8, 0.4, 0.4, 0.4, 0.4, 0.02], epochs=2)
    found = []
    for _ in range(26):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    expected = [0.0025, 0.01125, *[0.02] * 5, *[0.001] * 4, 0.00005, 0.00005]
    assert found == pytest.approx([rate for rate in expected for _ in range(2)])
    with pytest.raises(ValueError, match="factors="):
        PiecewiseLR(optimizer, [])


def step_rates(total: int, per_epoch: float, **options: Any) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.96)
    scheduler = WarmupSteps(optimizer, **options)
    scheduler.set_horizon(total, per_epoch)
    result = []
    for _ in range(total):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return result


def test_steps_with_warm_up_give_the_rates_of_the_published_policy() -> None:
    """`get_lr_at_epoch` of SlowFast with steps 0, 14, 18 and 0.19 epochs of warm-up, computed at t / 100."""
    found = step_rates(2200, 100, milestones=[14, 18], warmup_epochs=0.19, start_factor=1e-4 / 0.12)
    start = 1e-4 * 8  # 8 shards, as the peak 0.12 * 8
    for step, expected in [
        (0, start),
        (10, start + (0.96 - start) * 0.10 / 0.19),
        (19, 0.96),
        (1399, 0.96),
        (1400, 0.096),
        (1800, 0.0096),
        (2199, 0.0096),
    ]:
        assert found[step] == pytest.approx(expected, rel=1e-6), step


def test_milestones_before_the_end_of_the_warm_up_are_refused() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(ValueError, match=r"milestones=\[2, 1\] must ascend"):
        WarmupSteps(optimizer, milestones=[2, 1])
    with pytest.raises(ValueError, match="must ascend from warmup_epochs=3"):
        WarmupSteps(optimizer, milestones=[2], warmup_epochs=3)
