"""Riemannian Adam agrees with geoopt, and HypHC's leaves are moved by it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unlabelled.hierarchy import (
    EuclideanSpace,
    ExponentialStart,
    HypHC,
    Leaves,
    PoincareBall,
    RiemannianAdam,
    TripletEmbedding,
    UniformStart,
    distance,
    distance_to_origin,
    published_hyphc,
)
from unlabelled.hierarchy.manifolds import TANGENT_LIMITS
from unlabelled.hierarchy.placed_leaves import RiemannianLeaves
from unlabelled.hierarchy.riemannian_adam import transport


def points(count: int, dim: int, norm: float, seed: int = 0) -> Tensor:
    draws = torch.randn(count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return norm * draws / draws.norm(dim=1, keepdim=True).amax()


def spread(x: Tensor) -> Tensor:
    """Loss without symmetries, whose gradient is not radial."""
    weights = torch.arange(1.0, x.numel() + 1, dtype=x.dtype).view_as(x)
    return (weights * x).sum() + distance(x[:1], x[1:]).square().sum()


def after(optimizer: torch.optim.Optimizer, x: nn.Parameter, steps: int) -> Tensor:
    for _ in range(steps):
        optimizer.zero_grad()
        spread(x).backward()
        optimizer.step()
    return x.detach()


@pytest.mark.parametrize("c", [1.0, 0.5])
def test_geoopt_takes_the_same_steps(c: float) -> None:
    geoopt = pytest.importorskip("geoopt")
    ball = geoopt.PoincareBallExact(c=torch.tensor(c, dtype=torch.float64))
    theirs = geoopt.ManifoldParameter(points(6, 3, 0.7), manifold=ball)
    expected = after(geoopt.optim.RiemannianAdam([theirs], lr=0.05), theirs, 20)
    ours = nn.Parameter(points(6, 3, 0.7))
    found = after(RiemannianAdam([ours], lr=0.05, curvature=c), ours, 20)
    assert (found - points(6, 3, 0.7)).norm() > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)  # geoopt clamps inverse tangents
    x, y, v = points(5, 3, 0.6, 1), points(5, 3, 0.8, 2), points(5, 3, 2.0, 3)
    torch.testing.assert_close(transport(x, y, v, c), ball.transp(x, y, v), rtol=1e-9, atol=1e-12)


def test_the_first_step_has_the_length_of_the_rate() -> None:
    for x in (nn.Parameter(points(4, 2, 0.05)), nn.Parameter(points(4, 2, 0.95))):
        before = x.detach().clone()
        moved = after(RiemannianAdam([x], lr=1e-3), x, 1)
        torch.testing.assert_close(
            distance(before, moved), torch.full((4,), 1e-3).double(), rtol=1e-5, atol=0
        )


def test_a_closure_is_evaluated_and_parameters_without_gradient_stay() -> None:
    x, idle = nn.Parameter(points(4, 2, 0.5)), nn.Parameter(points(2, 2, 0.5))
    optimizer = RiemannianAdam([x, idle])

    def closure() -> float:
        optimizer.zero_grad()
        loss = spread(x)
        loss.backward()
        return float(loss.detach())

    assert optimizer.step(closure) == pytest.approx(float(spread(points(4, 2, 0.5))))
    assert torch.equal(idle, points(2, 2, 0.5))
    assert not torch.equal(x, points(4, 2, 0.5))


def test_the_radius_moves_as_a_point_on_a_line() -> None:
    """In one dimension Riemannian Adam of a point is Adam of its distance from the origin."""
    placed = RiemannianLeaves(points(3, 2, 0.05), PoincareBall(), 0.1, seed=0)
    line = nn.Parameter(placed.radius.detach().view(1, 1))
    optimizer = RiemannianAdam([line], lr=0.01)
    _, of_distance = placed.optimizers()
    of_distance.param_groups[0]["lr"] = 0.01
    for target in (0.9, 0.9, 0.9, 0.1):
        optimizer.zero_grad()
        placed.zero_grad()
        ((line - target).square().sum() + (placed.radius - target).square()).backward()
        optimizer.step()
        of_distance.step()
    assert float(line) > 0.12
    assert float(placed.radius) == pytest.approx(float(line), rel=1e-9)


def test_the_radius_stays_between_its_limits() -> None:
    for first, end in zip((-1.0, 50.0), TANGENT_LIMITS, strict=True):
        placed = RiemannianLeaves(points(3, 2, 0.05), PoincareBall(0.25), 0.5, seed=0)
        with torch.no_grad():
            placed.distance.fill_(first)
        placed.restrict()
        assert float(distance_to_origin(placed.points(), 0.25)[0]) == pytest.approx(2 * end)


def rows(count: int = 30) -> Tensor:
    """Three clusters of ten."""
    return torch.eye(3, 8, dtype=torch.float64).repeat_interleave(count // 3, 0) + points(count, 8, 0.4)


def test_hyphc_has_its_published_settings_and_learns() -> None:
    embedding = HypHC().embedding
    assert embedding.radius * (0.999 - 0.01) + 0.01 == pytest.approx(0.05, abs=1e-4)
    rates = [(embedding._lr(epoch), embedding._temperature(epoch)) for epoch in (0, 29, 30, 49)]
    assert rates == [(5e-4, 0.05), (5e-4, 0.05), (2.5e-4, 0.025), (2.5e-4, 0.025)]
    assert (embedding.batch_size, embedding.triplets.per_epoch, embedding.decoders) == (
        512,
        50_000,
        ("single",),
    )
    leaves = Leaves.from_features(rows())
    costs = {}
    for epochs in (0, 3):
        short = published_hyphc()
        short.epochs = epochs
        costs[epochs] = HypHC(short).fit(leaves).report["dasgupta_1x"]
    assert costs[3] < 0.95 * costs[0]


def test_the_uniform_start_fills_a_cube() -> None:
    leaves = Leaves.from_features(points(400, 4, 1.0))
    tangents = UniformStart(0.05).tangents(leaves, 3, seed=0)
    assert tangents.shape == (400, 3)
    assert 0.049 < float(tangents.abs().max()) <= 0.05
    assert float(tangents.std()) == pytest.approx(0.05 / 3**0.5, rel=0.05)
    with pytest.raises(ValueError, match="UniformStart: size=0"):
        UniformStart(0)


def test_points_without_a_direction_are_placed_in_the_ball() -> None:
    same = Leaves.from_features(torch.ones(5, 4, dtype=torch.float64))
    found = TripletEmbedding(3, ExponentialStart(), epochs=1, riemannian=True, batch_size=100_000).fit(same)
    assert found.tree.num_leaves == 5
    assert found.points.isfinite().all()


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="riemannian=True in EuclideanSpace; expected PoincareBall"):
        TripletEmbedding(manifold=EuclideanSpace(), riemannian=True)
    with pytest.raises(ValueError, match="halve_every=0"):
        TripletEmbedding(halve_every=0)
