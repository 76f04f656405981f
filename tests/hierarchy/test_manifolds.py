"""Both manifolds through one interface: docs/methods/shhc.md#worked-examples and plain geometry."""

from __future__ import annotations

import math

import pytest
import torch

from tests._helpers.hierarchy_oracles import ball_points
from unlabelled.hierarchy import EuclideanSpace, Manifold, PoincareBall, distance_to_origin, segment_depth

MANIFOLDS: list[Manifold] = [PoincareBall(), PoincareBall(0.3), EuclideanSpace()]


def test_the_worked_example_of_the_hyperbolic_softmax() -> None:
    prototypes = torch.tensor([[0.5, 0], [-0.3, 0.4], [0, -0.7]], dtype=torch.float64)
    ball = PoincareBall()
    point = ball.embed(torch.tensor([[0.4, 0.3]], dtype=torch.float64))
    assert point[0].tolist() == pytest.approx([0.369693725808, 0.277270294356], abs=1e-12)
    distances = ball.pairwise_distance(point, prototypes)[0]
    assert distances.tolist() == pytest.approx([0.778040058685, 1.597612886056, 2.550196184653], abs=1e-12)
    expected = {1: [0.620892038521, 0.273577347593, 0.105530613886],
                0.1: [0.999724226628, 0.000275753258, 0.000000020114]}  # fmt: skip
    for temperature, probabilities in expected.items():
        assert (-distances / temperature).softmax(0).tolist() == pytest.approx(probabilities, abs=1e-12)


@pytest.mark.parametrize("c", [0.3, 1.0, 4.0])
def test_long_vectors_are_shortened(c: float) -> None:
    ball = PoincareBall(c, max_norm=2.0)
    v = torch.tensor([[0.3, 0.4], [30.0, 40.0], [0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    reached = distance_to_origin(ball.embed(v), c)
    assert reached.tolist() == pytest.approx([1.0, 4.0, 0.0])
    (gradient,) = torch.autograd.grad(reached.sum(), v)
    assert gradient[1].abs().max() < 1e-12  # along v; across it there is one
    assert gradient.isfinite().all()
    across = torch.autograd.grad(ball.embed(v)[1, 0], v)[0][1]
    assert across.norm() > 1e-4
    assert torch.autograd.gradcheck(lambda a: ball.embed(a)[:2], (v,))


def test_the_limits_of_a_shared_radius() -> None:
    assert PoincareBall().radius_limits() == pytest.approx((0.01, 0.999), abs=1e-5)
    smallest, largest = PoincareBall(4.0, max_norm=1.5).radius_limits()
    assert (smallest, largest) == pytest.approx((math.tanh(0.02) / 2, math.tanh(3.0) / 2))
    assert EuclideanSpace().radius_limits() == pytest.approx((0.01, 3.8))


@pytest.mark.parametrize("manifold", MANIFOLDS)
def test_depths_are_distances_of_ancestors(manifold: Manifold) -> None:
    directions = torch.nn.functional.normalize(ball_points(9, 3, 0), dim=1)
    origin, radius = torch.zeros(1, 3, dtype=torch.float64), 0.8
    for x, y in zip(directions * radius, directions.roll(1, 0) * radius, strict=True):
        depth = manifold.cosine_depth((x @ y) / radius**2, radius)
        ancestor = manifold.ancestor(x, y)
        torch.testing.assert_close(manifold.pairwise_distance(ancestor[None], origin)[0, 0], depth)
        midpoint = manifold.midpoint(torch.stack([x, y]))  # the same point, by symmetry
        torch.testing.assert_close(midpoint, ancestor)


def test_the_ball_measures_by_its_curvature() -> None:
    x, y = ball_points(2, 3, 1) / 0.3**0.5
    ball = PoincareBall(0.3)
    level = y * x.norm() / y.norm()
    cosine = torch.nn.functional.cosine_similarity(x, y, 0)
    torch.testing.assert_close(ball.cosine_depth(cosine, x.norm()), segment_depth(x, level, 0.3))


def test_euclidean_distances_keep_their_digits() -> None:
    x = 1e4 + ball_points(2, 5, 0).view(2, 1, 5) * torch.ones(4, 1)
    y = x + 1e-9 * torch.arange(4.0, dtype=torch.float64)[:, None]
    expected = (x[:, :, None] - y[:, None]).norm(dim=-1)
    torch.testing.assert_close(EuclideanSpace().pairwise_distance(x, y), expected, rtol=1e-12, atol=0)
    half = EuclideanSpace().pairwise_distance(x.bfloat16(), y.bfloat16())
    assert half.dtype == torch.float32


@pytest.mark.parametrize("manifold", MANIFOLDS)
def test_gradients(manifold: Manifold) -> None:
    x, y = (ball_points(3, 3, seed).requires_grad_(True) for seed in (0, 1))
    assert torch.autograd.gradcheck(manifold.pairwise_distance, (x, y))
    cosines = torch.linspace(-0.9, 0.9, 5, dtype=torch.float64, requires_grad=True)
    radius = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(manifold.cosine_depth, (cosines, radius))
    ends = torch.tensor([-1.0, 1.0], dtype=torch.float64, requires_grad=True)
    coincident = manifold.pairwise_distance(x, x).sum() + manifold.cosine_depth(ends, 0.7).sum()
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(coincident, (x, ends)))


@pytest.mark.parametrize(
    ("curvature", "max_norm"), [(0.0, 5.0), (1.0, -1.0), (math.inf, 5.0), (1.0, math.nan)]
)
def test_complaints(curvature: float, max_norm: float) -> None:
    with pytest.raises(ValueError, match="expected positive numbers"):
        PoincareBall(curvature, max_norm)
