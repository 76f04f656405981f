"""The triplet loss: docs/methods/shhc.md#worked-examples, its identity with the cost, and sampling."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests._helpers.hierarchy_oracles import (
    brute_force_cost,
    lowest_common_ancestor,
    random_leaves,
    some_tree,
)
from unlabelled.hierarchy import (
    PairCoveringTriplets,
    UniformTriplets,
    equal_radius_depth,
    line_depth,
    pair_covering_triplets,
    triplet_loss,
    uniform_triplets,
)

POINTS = torch.tensor([[0.8, 0.1], [0.75, -0.2], [-0.5, 0.6], [0.05, -0.85]], dtype=torch.float64)
WEIGHTS = {(0, 1): 0.9, (0, 2): 0.2, (0, 3): 0.4, (1, 2): 0.1, (1, 3): 0.5, (2, 3): 0.3}
RAW = [1.883126225, 0.506227552, 0.813223171, 0.302556246, 1.078265513, 0.316103643]
ON_RADIUS = [2.207718318, 0.519037755, 0.828670264, 0.310861397, 1.115688648, 0.321576528]
LOSSES = [
    (1.0, [0.534079022, 1.095722566, 0.588722116, 0.543994452], 0.690629539, 0.670268017),
    (0.1, [0.300000843, 0.900139055, 0.509472679, 0.400268782], 0.527470340, 0.527350941),
    (0.05, [0.300000000, 0.900000041, 0.500434874, 0.400000121], 0.525108759, 0.525103007),
]
TRIPLES = list(itertools.combinations(range(4), 3))


def of_triples(values: dict[tuple[int, int], float]) -> torch.Tensor:
    rows = [[values[i, j], values[i, k], values[j, k]] for i, j, k in TRIPLES]
    return torch.tensor(rows, dtype=torch.float64).T


@pytest.mark.parametrize(("temperature", "each", "mean", "on_radius"), LOSSES)
def test_worked_examples(temperature: float, each: list[float], mean: float, on_radius: float) -> None:
    raw = {(i, j): line_depth(POINTS[i], POINTS[j]).item() for i, j in WEIGHTS}
    assert list(raw.values()) == pytest.approx(RAW, abs=1e-9)
    losses = triplet_loss(of_triples(raw), of_triples(WEIGHTS), temperature)
    assert losses.tolist() == pytest.approx(each, abs=1e-9)
    assert losses.mean().item() == pytest.approx(mean, abs=1e-9)
    unit = torch.nn.functional.normalize(POINTS, dim=1)
    scaled = {(i, j): equal_radius_depth(unit[i], unit[j], 0.9).item() for i, j in WEIGHTS}
    assert list(scaled.values()) == pytest.approx(ON_RADIUS, abs=1e-9)
    again = triplet_loss(of_triples(scaled), of_triples(WEIGHTS), temperature)
    assert again.mean().item() == pytest.approx(on_radius, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 3))
def test_the_loss_is_between_its_bounds(seed: int, temperature: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    depths, weights = torch.rand(2, 3, 20, dtype=torch.float64, generator=generator)
    losses = triplet_loss(5 * depths, weights, temperature)
    assert (losses >= weights.sum(0) - weights.amax(0) - 1e-12).all()
    assert (losses <= weights.sum(0) - weights.amin(0) + 1e-12).all()


@pytest.mark.parametrize("num_leaves", [3, 5, 9])
def test_a_trees_cost_is_the_loss_over_all_its_triples(num_leaves: int) -> None:
    leaves, tree = random_leaves(num_leaves, num_leaves), some_tree(num_leaves, num_leaves)
    triples = torch.combinations(torch.arange(num_leaves), 3)
    pairs = [triples[:, [0, 1]], triples[:, [0, 2]], triples[:, [1, 2]]]
    weights = torch.stack([torch.from_numpy(leaves.similarity)[p[:, 0], p[:, 1]] for p in pairs])
    depth = [[-float(lowest_common_ancestor(tree, int(i), int(j))) for i, j in p] for p in pairs]
    losses = triplet_loss(torch.tensor(depth, dtype=torch.float64), weights, temperature=1e-3)
    total = np.triu(leaves.similarity, 1).sum()
    cost = math.comb(num_leaves, 3) * losses.mean().item() + 2 * total
    assert cost == pytest.approx(brute_force_cost(tree, leaves.similarity), rel=1e-12)


def test_a_rotation_leaves_the_loss_unchanged() -> None:
    rotation = torch.tensor([[0.8, -0.6], [0.6, 0.8]], dtype=torch.float64)
    losses = []
    for points in (POINTS, POINTS @ rotation):
        depths = {(i, j): line_depth(points[i], points[j]).item() for i, j in WEIGHTS}
        losses.append(triplet_loss(of_triples(depths), of_triples(WEIGHTS), 0.3))
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-12, atol=0)


def test_gradient_moves_the_similar_pair_down() -> None:
    depths = torch.ones(3, 1, dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([[0.9], [0.2], [0.1]], dtype=torch.float64)
    (gradient,) = torch.autograd.grad(triplet_loss(depths, weights, 0.5).sum(), depths)
    assert gradient[0, 0] < 0 < gradient[2, 0]
    assert torch.autograd.gradcheck(lambda d: triplet_loss(d, weights, 0.5), (depths,))


def test_uniform_triplets_are_uniform_over_distinct_leaves() -> None:
    triplets = uniform_triplets(5, 60_000, torch.Generator().manual_seed(0))
    assert triplets.dtype == torch.int64
    assert (triplets.sort(1).values.diff(dim=1) > 0).all()
    codes = triplets @ torch.tensor([25, 5, 1])
    counts = torch.bincount(codes)
    counts = counts[counts > 0]
    assert len(counts) == 60  # 5 * 4 * 3
    assert ((counts.double() - 1000).square() / 1000).sum() < 110  # chi-square, 59 degrees: 99.99 %
    assert uniform_triplets(3, 100, torch.Generator().manual_seed(0)).sort(1).values.unique(dim=0).shape == (
        1,
        3,
    )


def test_pair_covering_triplets_have_every_pair_equally_often() -> None:
    triplets = pair_covering_triplets(7, 21 * 3 + 5, torch.Generator().manual_seed(0))
    pairs, counts = triplets[:, :2].unique(dim=0, return_counts=True)
    assert len(pairs) == 21
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert sorted(counts.tolist()) == [3] * 16 + [4] * 5
    few = pair_covering_triplets(7, 4, torch.Generator().manual_seed(0))
    assert len(few[:, :2].unique(dim=0)) == 4
    many = pair_covering_triplets(7, 20_000, torch.Generator().manual_seed(0))
    repeated = ((many[:, 2] == many[:, 0]) | (many[:, 2] == many[:, 1])).double().mean()
    assert repeated.item() == pytest.approx(2 / 7, abs=0.02)


def test_samplers_are_reproducible_and_differ_between_epochs() -> None:
    uniform = UniformTriplets(50).epochs(9, seed=1)
    first, second = next(uniform), next(uniform)
    assert not torch.equal(first, second)
    assert torch.equal(first, next(UniformTriplets(50).epochs(9, seed=1)))
    assert not torch.equal(first, next(UniformTriplets(50).epochs(9, seed=2)))
    covering = PairCoveringTriplets(50).epochs(9, seed=1)
    first, second = next(covering), next(covering)
    assert not torch.equal(first, second)
    code = torch.tensor([81, 9, 1])
    assert torch.equal((first @ code).sort().values, (second @ code).sort().values)


def test_complaints() -> None:
    generator = torch.Generator()
    with pytest.raises(ValueError, match="2 leaves requested"):
        uniform_triplets(2, 5, generator)
    with pytest.raises(ValueError, match="per_epoch is 0"):
        UniformTriplets(0)
    with pytest.raises(ValueError, match="temperature is 0"):
        triplet_loss(torch.zeros(3, 2), torch.zeros(3, 2), 0)
    with pytest.raises(ValueError, match=r"depths are \(4, 2\)"):
        triplet_loss(torch.zeros(4, 2), torch.zeros(4, 2), 1)
