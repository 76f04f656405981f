"""LCA depths: docs/methods/shhc.md#worked-examples, HypHC's procedure, and the geodesic itself."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests._helpers.hierarchy_oracles import ball_points, reflection_depth
from unlabelled.hierarchy import (
    cosine_depth,
    distance,
    distance_to_origin,
    equal_radius_depth,
    exp_at,
    gromov_product,
    lca_point,
    line_depth,
    line_foot,
    log_at,
    segment_depth,
)

COS, SIN = math.cos, math.sin
EXAMPLES = [
    ((0.3, -0.2), (-0.1, 0.5), (0.119157220762, 0.071611010274), 0.279852391349, None, 0.055354909071),
    ((0.6, 0), (0, 0.6), (0.247644649628, 0.247644649628), 0.731394498608, None, 0.292195075189),
    ((0.9, 0), (0.9 * COS(0.5), 0.9 * SIN(0.5)), (0.736574711696, 0.188078402007), 1.993414097798, None,
     1.356824156402),
    ((0.2, 0.05), (0.8, 0.1), (-0.001712002380, 0.039671227566), 0.079458080900, 0.418305252522,
     0.415897585540),
    ((0.99, 0), (0.99 * COS(0.001), 0.99 * SIN(0.001)), (0.989987570501, 0.000494993827), 5.292068822385,
     None, 5.2435765811),
    ((0.7, 0.1, 0.2), (0.1, -0.5, 0.6), (0.318453070921, -0.142095406958, 0.299418483696), 0.993670802042,
     None, 0.456129520139),
]  # fmt: skip


def vector(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(("x", "y", "foot", "line", "segment", "gromov"), EXAMPLES)
def test_worked_examples(
    x: tuple[float, ...],
    y: tuple[float, ...],
    foot: tuple[float, ...],
    line: float,
    segment: float | None,
    gromov: float,
) -> None:
    a, b = vector(x), vector(y)
    assert line_depth(a, b).item() == pytest.approx(line, abs=2e-12)
    assert segment_depth(a, b).item() == pytest.approx(segment or line, abs=2e-12)
    assert gromov_product(a, b).item() == pytest.approx(gromov, abs=1e-10)
    torch.testing.assert_close(line_foot(a, b), vector(foot), rtol=0, atol=2e-12)
    if a.norm().sub(b.norm()).abs() < 1e-12:
        depth = equal_radius_depth(a / a.norm(), b / b.norm(), a.norm())
        assert depth.item() == pytest.approx(line, abs=2e-12)


def test_the_equal_radius_form_is_the_tangent_form() -> None:
    angles = torch.linspace(0, math.pi, 50, dtype=torch.float64)
    for r in (0.01, 0.5, 0.99):
        expected = (2 * r * (angles / 2).cos() / (1 + r * r)).atanh()
        torch.testing.assert_close(cosine_depth(angles.cos(), r), expected, rtol=1e-7, atol=1e-7)
    point = vector((0.6, 0.0))
    torch.testing.assert_close(cosine_depth(vector((1.0,)), 0.6), distance_to_origin(point)[None])
    assert cosine_depth(vector((-1.0,)), 0.6).item() < 1e-11


def test_the_procedure_of_hyphc_gives_the_line_depth() -> None:
    x, y = ball_points(2000, 50, 0, 0.999), ball_points(2000, 50, 1, 0.999)
    torch.testing.assert_close(line_depth(x, y), reflection_depth(x, y), rtol=1e-7, atol=1e-9)


def test_the_segment_depth_is_the_smallest_on_the_geodesic() -> None:
    steps = torch.linspace(0, 1, 2001, dtype=torch.float64)[:, None]
    for seed in range(20):
        x, y = ball_points(2, 3, seed, 0.97)
        along = exp_at(x, steps * log_at(x, y))
        depths = distance_to_origin(along)
        assert segment_depth(x, y).item() == pytest.approx(depths.min().item(), abs=1e-4)
        nearest = along[depths.argmin()]
        assert (lca_point(x, y) - nearest).norm() < 0.01


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.5, 1.0, 3.0]), st.integers(2, 6))
def test_invariants(seed: int, c: float, dim: int) -> None:
    x, y = ball_points(2, dim, seed, 0.99) / c**0.5
    line, segment, gromov = (depth(x, y, c).item() for depth in (line_depth, segment_depth, gromov_product))
    shallower = min(distance_to_origin(x, c).item(), distance_to_origin(y, c).item())
    assert line <= segment <= shallower + 1e-12
    assert gromov - 1e-9 <= segment <= gromov + math.log(2) / c**0.5 + 1e-9
    for depth in (line_depth, segment_depth):
        torch.testing.assert_close(depth(x, y, c), depth(y, x, c), rtol=1e-7, atol=1e-9)
        unscaled = depth(x * c**0.5, y * c**0.5) / c**0.5
        torch.testing.assert_close(depth(x, y, c), unscaled)
        rotation = torch.linalg.qr(ball_points(dim, dim, seed + 1))[0]
        torch.testing.assert_close(depth(rotation @ x, rotation @ y, c), depth(x, y, c), rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(depth(x, x, c), distance_to_origin(x, c))
    torch.testing.assert_close(lca_point(x, x, c), x)
    for find, depth in ((lca_point, segment_depth), (line_foot, line_depth)):
        found = find(x, y, c)
        torch.testing.assert_close(find(y, x, c), found, rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(distance_to_origin(found, c), depth(x, y, c), rtol=1e-6, atol=1e-7)
    level = y * x.norm() / y.norm()
    torch.testing.assert_close(segment_depth(x, level, c), line_depth(x, level, c), rtol=1e-7, atol=1e-8)
    u, v = x / x.norm(), y / y.norm()
    expected = equal_radius_depth(u, v, x.norm(), c)
    torch.testing.assert_close(cosine_depth(u @ v, x.norm(), c), expected, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(line_depth(x, level, c), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("radius", [0.05, 0.9, 0.999])
def test_depths_on_one_radius_are_ordered_like_cosines(radius: float) -> None:
    cosines = torch.linspace(-1, 1, 1001, dtype=torch.float64)
    assert (cosine_depth(cosines, radius).diff() > 0).all()


def test_the_foot_between_close_points_is_not_lost() -> None:
    x = vector((0.99, 0.0))
    for gap in (1e-3, 1e-6, 1e-9, 1e-12, 1e-16):
        y = vector((0.99 * COS(gap), 0.99 * SIN(gap)))
        below = distance_to_origin(x) - segment_depth(x, y)
        assert -1e-9 <= below <= distance(x, y) + 1e-9
        ahead = vector((0.99 - gap, 0.0))  # on one ray the deeper one's ancestor is the other
        torch.testing.assert_close(segment_depth(x, ahead), distance_to_origin(ahead))


def test_float32_keeps_the_equal_radius_form_exact() -> None:
    x = torch.nn.functional.normalize(ball_points(500, 50, 0), dim=1)
    noise = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    y = torch.nn.functional.normalize(x + 0.05 * noise, dim=1)
    for radius in (0.9, 0.9999):
        exact = equal_radius_depth(x, y, radius)
        assert (equal_radius_depth(x.float(), y.float(), radius).double() - exact).abs().max() < 2e-6


def test_gradients_are_those_of_differences() -> None:
    x, y = (ball_points(6, 3, seed, 0.8).requires_grad_(True) for seed in (0, 1))
    for depth in (line_depth, segment_depth, gromov_product, lca_point, line_foot):
        assert torch.autograd.gradcheck(lambda a, b, f=depth: f(a, b, 0.7), (x, y))
    cosines = torch.linspace(-0.99, 0.99, 9, dtype=torch.float64, requires_grad=True)
    radius = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, r: cosine_depth(a, r), (cosines, radius))
    assert torch.autograd.gradcheck(lambda a, b, r: equal_radius_depth(a, b, r), (x, y, radius))


def test_gradients_are_those_of_differences_for_coincident_and_bordering_points() -> None:
    unit = torch.nn.functional.normalize(ball_points(4, 3, 0), dim=1)
    u, v = unit.clone().requires_grad_(True), unit.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda a, b: equal_radius_depth(a, b, 0.9), (u, v))
    near = 0.9999 * unit
    x, y = near.clone().requires_grad_(True), near.roll(1, 0).clone().requires_grad_(True)
    for depth in (line_depth, segment_depth, gromov_product, lca_point):
        assert torch.autograd.gradcheck(depth, (x, y), eps=1e-8, rtol=1e-3)
    assert torch.autograd.gradcheck(gromov_product, (x, (-near).requires_grad_(True)), eps=1e-8, rtol=1e-3)


def test_gradients_exist_for_coincident_opposite_and_aligned_points() -> None:
    x = vector((0.3, 0.4))[None]
    for other in (x, -x, 2 * x, 0 * x, -0.5 * x):
        a, b = x.clone().requires_grad_(True), other.clone().requires_grad_(True)
        for depth in (line_depth, segment_depth, gromov_product, lca_point):
            gradients = torch.autograd.grad(depth(a, b).sum(), (a, b))
            assert all(gradient.isfinite().all() for gradient in gradients), (depth, other)
    directions = vector((1.0, 0.0)).requires_grad_(True)
    for opposite in (-1.0, 1.0):
        cosine = (directions * torch.tensor([opposite, 0.0])).sum()
        vectors = equal_radius_depth(directions, opposite * directions.detach(), 0.9)
        for radius in (cosine_depth(cosine, 0.9), vectors):
            (gradient,) = torch.autograd.grad(radius, directions)
            assert gradient.isfinite().all()
