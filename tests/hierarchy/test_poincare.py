"""Ball operations: docs/methods/shhc.md#worked-examples, invariants, precision, gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests._helpers.hierarchy_oracles import ball_points
from unlabelled.hierarchy import (
    conformal_factor,
    distance,
    distance_to_origin,
    einstein_midpoint,
    exp0,
    exp_at,
    log0,
    log_at,
    mobius_add,
    pairwise_distance,
    project,
)

X, Y = torch.tensor([0.3, -0.2], dtype=torch.float64), torch.tensor([-0.1, 0.5], dtype=torch.float64)
EXAMPLES: list[tuple[Callable[[float], Tensor], list[float], list[float]]] = [
    (lambda c: mobius_add(X, Y, c), [0.275264926338, 0.303696045490], [0.235073140190, 0.304513631965]),
    (lambda c: mobius_add(Y, X, c), [0.174463685707, 0.370896872577], [0.190676760203, 0.334111218624]),
    (lambda c: mobius_add(-X, Y, c), [-0.419693924872, 0.571185654661], [-0.414159602969, 0.631999648645]),
    (lambda c: distance(X, Y, c), [1.769532370631], [1.686147379721]),
    (lambda c: distance_to_origin(X, c), [0.755047664301], [0.737373450235]),
    (lambda c: exp0(vector(0.6, 0.8), c), [0.456956493573, 0.609275324765],
     [0.516634302948, 0.688845737264]),
    (lambda c: exp0(vector(1.5, -2), c), [0.591968578891, -0.789291438521],
     [0.800471036070, -1.067294714761]),
    (lambda c: distance_to_origin(exp0(vector(0.6, 0.8), c), c), [2.0], [2.0]),
    (lambda c: exp_at(X, vector(0.1, 0.2), c), [0.416020122086, -0.012622679139],
     [0.407874572888, -0.005425655878]),
    (lambda c: distance(X, exp_at(X, vector(0.1, 0.2), c), c), [0.514038615518], [0.478303310695]),
]  # fmt: skip


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(("compute", "at_1", "at_half"), EXAMPLES)
def test_worked_examples(compute: Callable[[float], Tensor], at_1: list[float], at_half: list[float]) -> None:
    for c, expected in ((1.0, at_1), (0.5, at_half)):
        torch.testing.assert_close(compute(c).reshape(-1), vector(*expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("c", [0.3, 1.0, 2.5])
def test_distances_agree_with_the_mobius_form_and_with_each_other(c: float) -> None:
    points = ball_points(40, 5, 0, 0.9) / c**0.5
    x, y = points[:20], points[20:]
    mobius = 2 / c**0.5 * (c**0.5 * mobius_add(-y, x, c).norm(dim=1)).atanh()
    torch.testing.assert_close(distance(x, y, c), mobius, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(distance_to_origin(x, c), distance(x, torch.zeros_like(x), c))
    every = pairwise_distance(x, y, c)
    torch.testing.assert_close(every, distance(x[:, None], y[None], c), rtol=1e-9, atol=1e-9)
    batched = pairwise_distance(points.view(2, 20, 5), points.view(2, 20, 5), c)
    torch.testing.assert_close(batched[1], pairwise_distance(y, y, c))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.5, 1.0, 3.0]), st.integers(1, 6))
def test_distance_is_a_metric_that_translations_and_rotations_keep(seed: int, c: float, dim: int) -> None:
    x, y, z, t = ball_points(4, dim, seed, 0.95) / c**0.5
    assert distance(x, x, c) == 0
    torch.testing.assert_close(distance(x, y, c), distance(y, x, c))
    assert distance(x, z, c) <= distance(x, y, c) + distance(y, z, c) + 1e-9
    moved = distance(mobius_add(t, x, c), mobius_add(t, y, c), c)
    torch.testing.assert_close(moved, distance(x, y, c), rtol=1e-6, atol=1e-8)
    rotation = torch.linalg.qr(ball_points(dim, dim, seed + 1))[0]
    torch.testing.assert_close(
        distance(rotation @ x, rotation @ y, c), distance(x, y, c), rtol=1e-9, atol=1e-10
    )
    torch.testing.assert_close(mobius_add(-x, mobius_add(x, y, c), c), y, rtol=1e-7, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.5, 1.0, 3.0]), st.floats(1e-9, 5.0))
def test_exponential_maps_and_logarithms_undo_each_other(seed: int, c: float, length: float) -> None:
    points = ball_points(3, 4, seed)
    v = torch.nn.functional.normalize(points[0], dim=0) * length / c**0.5
    inside = exp0(v, c)
    assert c * inside.square().sum() < 1
    torch.testing.assert_close(log0(inside, c), v, rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(distance_to_origin(inside, c), 2 * v.norm(), rtol=1e-9, atol=1e-15)
    x, y = points[1] / c**0.5, points[2] / c**0.5
    tangent = log_at(x, y, c)
    torch.testing.assert_close(exp_at(x, tangent, c), y, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(
        conformal_factor(x, c) * tangent.norm(), distance(x, y, c), rtol=1e-9, atol=1e-12
    )
    torch.testing.assert_close(log_at(torch.zeros_like(y), y, c), log0(y, c), rtol=1e-9, atol=1e-12)


def test_all_results_are_in_the_ball_and_finite() -> None:
    for dtype in (torch.float64, torch.float32):
        v = torch.tensor([[1e4, 0.0], [30.0, 40.0], [0.0, 0.0], [1e-30, 0.0]], dtype=dtype)
        inside = exp0(v)
        assert (inside.square().sum(1) < 1).all()
        assert torch.equal(inside[2:], v[2:])
        assert distance(inside[0], -inside[0]).isfinite()
        border = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=dtype)
        assert pairwise_distance(border, border).isfinite().all()
        assert torch.equal(pairwise_distance(border, border).diagonal(), torch.zeros(2, dtype=dtype))
        assert project(border).norm(dim=1).max() <= 1 - (9e-6 if dtype == torch.float64 else 3.9e-3)
        assert torch.equal(project(border / 2), border / 2)


def test_the_form_keeps_its_digits_near_the_border_where_artanh_does_not() -> None:
    base = ball_points(200, 50, 3, 1.0)
    x = torch.nn.functional.normalize(base, dim=1) * 0.9999
    noise = 0.05 * torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    y = torch.nn.functional.normalize(x + noise, dim=1) * 0.9999
    exact, single = distance(x, y), distance(x.float(), y.float()).double()
    assert (exact - single).abs().max() < 5e-3
    artanh = 2 * mobius_add(-x.float(), y.float()).norm(dim=1).clamp(max=1 - 1e-7).atanh()
    assert (exact - artanh).abs().max() > 0.1


@pytest.mark.parametrize("c", [1.0, 0.5])
def test_gradients_are_those_of_differences(c: float) -> None:
    x, y = (ball_points(3, 3, seed, 0.8).requires_grad_(True) for seed in (0, 1))
    for function in (distance, mobius_add, pairwise_distance, log_at, exp_at):
        assert torch.autograd.gradcheck(lambda a, b, f=function: f(a, b, c), (x, y))
    for single in (distance_to_origin, exp0, log0, conformal_factor):
        assert torch.autograd.gradcheck(lambda a, f=single: f(a, c), (x,))
    outside = (x.detach() * 3).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda a: project(a, c), (outside,))
    assert torch.autograd.gradcheck(lambda a: einstein_midpoint(a, c=c), (x,))


def test_gradients_are_those_of_differences_for_opposite_points_and_at_the_border() -> None:
    x = ball_points(3, 3, 0, 0.8)
    for a, b, eps in ((x, -x, 1e-6), (0.9999 * torch.nn.functional.normalize(x, dim=1), x, 1e-8)):
        pair = (a.clone().requires_grad_(True), b.clone().requires_grad_(True))
        for function in (distance, mobius_add, pairwise_distance, log_at):
            assert torch.autograd.gradcheck(function, pair, eps=eps, rtol=1e-3), function


def test_gradients_exist_at_coincident_points_the_origin_and_the_border() -> None:
    zero, border = torch.zeros(1, 3, dtype=torch.float64), vector(1, 0, 0)[None]
    inside = ball_points(1, 3, 0)
    for x, y in ((inside, inside), (zero, zero), (border, border), (border, -border), (zero, inside)):
        a, b = x.clone().requires_grad_(True), y.clone().requires_grad_(True)
        for function in (distance, pairwise_distance, mobius_add, log_at, exp_at):
            gradients = torch.autograd.grad(function(a, b).sum(), (a, b))
            assert all(gradient.isfinite().all() for gradient in gradients), function
        for single in (distance_to_origin, exp0, log0, project, conformal_factor, einstein_midpoint):
            assert torch.autograd.grad(single(a).sum(), a)[0].isfinite().all(), single
    identity = torch.eye(3, dtype=torch.float64)
    for map_at_origin in (exp0, log0):  # their gradient at the origin, where |v| has none
        assert torch.equal(torch.autograd.functional.jacobian(map_at_origin, zero[0]), identity)
    jacobian = torch.autograd.functional.jacobian(lambda y: log_at(inside[0], y), inside[0])
    torch.testing.assert_close(jacobian, identity)


def test_half_precision_is_widened_also_under_autocast() -> None:
    x, y = ball_points(4, 3, 0).float(), ball_points(5, 3, 1).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        every = pairwise_distance(x, y)
        half = pairwise_distance(x.bfloat16(), y.bfloat16())
    assert every.dtype == half.dtype == torch.float32
    torch.testing.assert_close(every, pairwise_distance(x.double(), y.double()).float())
    torch.testing.assert_close(half, pairwise_distance(x.bfloat16().double(), y.bfloat16().double()).float())
    assert exp0(x.bfloat16()).dtype == torch.float32


def test_the_midpoint_is_between_two_points_and_weighted() -> None:
    x, y = ball_points(2, 4, 5)
    midpoint = einstein_midpoint(torch.stack([x, y]))
    torch.testing.assert_close(distance(midpoint, x), distance(x, y) / 2)
    torch.testing.assert_close(distance(midpoint, y), distance(x, y) / 2)
    c = 0.25
    scaled = einstein_midpoint(torch.stack([x, y]) / c**0.5, c=c)
    torch.testing.assert_close(scaled, midpoint / c**0.5)
    twice = einstein_midpoint(torch.stack([x, x, y]))
    torch.testing.assert_close(einstein_midpoint(torch.stack([x, y]), torch.tensor([2.0, 1.0])), twice)


def test_a_tensor_serves_as_curvature() -> None:
    x, y = ball_points(2, 3, 0)
    torch.testing.assert_close(distance(x, y, torch.tensor(0.5)), distance(x, y, 0.5))


@pytest.mark.parametrize("c", [0.0, -1.0, float("nan")])
def test_curvature_must_be_positive(c: float) -> None:
    with pytest.raises(ValueError, match="curvature c is"):
        distance(X, Y, c)


def test_geoopt_agrees() -> None:
    geoopt = pytest.importorskip("geoopt")
    for c in (0.5, 1.0):
        ball = geoopt.PoincareBall(c=torch.tensor(c, dtype=torch.float64))
        x, y = ball_points(50, 6, 0, 0.9) / c**0.5, ball_points(50, 6, 1, 0.9) / c**0.5
        v = 0.3 * ball_points(50, 6, 2)
        for ours, theirs in (
            (mobius_add(x, y, c), ball.mobius_add(x, y)),
            (distance(x, y, c), ball.dist(x, y)),
            (distance_to_origin(x, c), ball.dist0(x)),
            (exp0(v, c), ball.expmap0(v)),
            (log0(x, c), ball.logmap0(x)),
            (exp_at(x, v, c), ball.expmap(x, v)),
            (log_at(x, y, c), ball.logmap(x, y)),
        ):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
