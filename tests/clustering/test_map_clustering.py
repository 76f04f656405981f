"""Clustering of maps of DMC: worked examples (docs/methods/dmc.md#worked-examples), invariants, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unlabelled.clustering.map_clustering import (
    MapClustering,
    cluster_maps,
    smooth_objective,
    squash,
    unit,
)
from unlabelled.losses.correspondence import centre_similarity, paired_cosines, ranking_hinge

W = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, -1.0]]], dtype=torch.float64)
AUDIO = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
IMAGE = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, -1.0], [0.5, 0.5]], dtype=torch.float64)
OTHER_AUDIO = torch.tensor([[0.0, -1.0], [1.0, 0.2], [0.3, -1.0]], dtype=torch.float64)


def project(descriptors: Tensor, weights: Tensor = W) -> Tensor:
    return torch.einsum("pc,kcd->kpd", descriptors, weights)[None]


def random_maps(seed: int, clusters: int = 5, positions: int = 30, dim: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, clusters, positions, dim, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("sharpness", "passes", "first", "m1", "m2", "objective"),
    [
        (1, 1, (0.5, 0.5, 0.5), (1, 1), (2, -1), -5.959950),
        (1, 2, (0.253175, 0.564610, 0.305370), (0.558546, 0.869980), (2.882909, -1.130020), -6.007225),
        (1, 3, (0.210518, 0.616935, 0.300432), (0.510950, 0.917367), (2.978100, -1.082633), -6.011064),
        (5, 2, (0.004457, 0.785745, 0.016154), (0.020612, 0.801900), (3.958776, -1.198100), -5.124077),
        (5, 3, (0.000079, 0.972078, 0.002752), (0.002831, 0.974829), (3.994338, -1.025171), -5.128190),
        (1000, 3, (0, 1, 0), (0, 1), (4, -1), -5.123106),
    ],
)
def test_worked_example(
    sharpness: float,
    passes: int,
    first: tuple[float, ...],
    m1: tuple[float, ...],
    m2: tuple[float, ...],
    objective: float,
) -> None:
    found = cluster_maps(project(AUDIO), passes, sharpness)
    assert found.assignments[0, 0].tolist() == pytest.approx(first, abs=1e-5)
    assert found.centres[0].flatten().tolist() == pytest.approx([*m1, *m2], abs=1e-5)
    assert float(found.objective[-1, 0]) == pytest.approx(objective, abs=1e-5)


def test_with_squashed_descriptors() -> None:
    found = cluster_maps(project(AUDIO / AUDIO.norm(dim=1, keepdim=True)))
    assert found.centres[0].flatten().tolist() == pytest.approx(
        [0.456871, 0.873980, 2.500471, -0.833127], abs=1e-5
    )
    assert float(found.objective[-1, 0]) == pytest.approx(-5.444422, abs=1e-5)


def test_squash_by_length() -> None:
    lengths = torch.tensor([0, 0.01, 0.05, 0.1, 0.2, 0.3, 1.0], dtype=torch.float64)
    found = squash(lengths[:, None] * torch.tensor([[0.6, 0.8]], dtype=torch.float64)).norm(dim=1)
    expected = [0, 0.099668, 0.462116, 0.761592, 0.964027, 0.995054, 1.0]
    assert found.tolist() == pytest.approx(expected, abs=2e-4)  # eps inside the root


def test_equal_subspaces_never_part() -> None:
    found = cluster_maps(project(AUDIO, W[:1].expand(2, 2, 2)))
    assert torch.equal(found.assignments, torch.full_like(found.assignments, 0.5))
    assert float(found.objective[-1, 0]) == pytest.approx(-4.907869, abs=1e-5)


@pytest.mark.parametrize(("z", "expected"), [(1, 1.472919), (10, 0.534901), (100, 0.5), (1000, 0.5)])
def test_smooth_maximum(z: float, expected: float) -> None:
    products = torch.tensor([0.2, 0.5, 0.4], dtype=torch.float64)[None, :, None]
    found = -smooth_objective(products, z, torch.ones(1, 1))
    assert float(found) == pytest.approx(expected, abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.1, 10.0))
def test_the_objective_never_rises_and_bounds_the_hard_one(seed: int, z: float) -> None:
    maps = random_maps(seed)
    found = cluster_maps(maps, 10, z)
    assert (found.objective.diff(dim=0) <= 1e-9).all()
    directions = unit(found.centres)
    products = torch.einsum("bkd,bkpd->bkp", directions, maps)
    hard = -products.max(1).values.sum(1)
    assert (found.objective[-1] <= hard + 1e-9).all()
    assert (found.objective[-1] >= hard - maps.shape[2] * math.log(maps.shape[1]) / z - 1e-9).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_invariants(seed: int) -> None:
    maps = random_maps(seed)
    found = cluster_maps(maps)
    torch.testing.assert_close(found.assignments.sum(1), torch.ones_like(found.assignments[:, 0]))
    once = cluster_maps(maps, 1)
    torch.testing.assert_close(once.centres, maps.mean(2) * maps.shape[2] / maps.shape[1])
    order = torch.randperm(maps.shape[2])
    torch.testing.assert_close(cluster_maps(maps[:, :, order]).centres, found.centres)
    clusters = torch.randperm(maps.shape[1])
    torch.testing.assert_close(cluster_maps(maps[:, clusters]).centres, found.centres[:, clusters])
    rotation = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q
    turned = cluster_maps(maps @ rotation)
    torch.testing.assert_close(turned.assignments, found.assignments)
    torch.testing.assert_close(turned.centres, found.centres @ rotation)
    scaled = cluster_maps(3.0 * maps, sharpness=0.7)
    torch.testing.assert_close(scaled.assignments, cluster_maps(maps, sharpness=2.1).assignments)


def test_masked_positions_change_nothing() -> None:
    maps = random_maps(3)
    mask = torch.ones(2, 30, dtype=torch.bool)
    mask[:, 20:] = False
    masked, short = cluster_maps(maps, mask=mask), cluster_maps(maps[:, :, :20])
    torch.testing.assert_close(masked.centres, short.centres)
    torch.testing.assert_close(masked.objective, short.objective)
    assert not masked.assignments[:, :, 20:].any()
    with pytest.raises(ValueError, match=r"expected \(2, 30\)"):
        cluster_maps(maps, mask=mask[:, :7])


def test_similarities_of_the_worked_example() -> None:
    audio, image, other = (cluster_maps(project(x)).centres for x in (AUDIO, IMAGE, OTHER_AUDIO))
    assert paired_cosines(audio, image)[0].tolist() == pytest.approx([0.988083, 0.928229], abs=1e-5)
    assert paired_cosines(other, image)[0].tolist() == pytest.approx([-0.581461, 0.953222], abs=1e-5)
    assert float(centre_similarity(audio, image)) == pytest.approx(1.916312, abs=1e-5)
    assert float(centre_similarity(other, image)) == pytest.approx(0.371761, abs=1e-5)


@pytest.mark.parametrize(("margin", "expected"), [(0.5, 0.0), (1.0, 0.0), (2.0, 0.455448)])
def test_hinge_and_its_gradient_through_all_passes(margin: float, expected: float) -> None:
    audio_input = AUDIO.clone().requires_grad_()
    weights = W.clone().requires_grad_()
    audio = cluster_maps(project(audio_input, weights)).centres
    image = cluster_maps(project(IMAGE, weights)).centres
    other = cluster_maps(project(OTHER_AUDIO, weights)).centres
    similar = centre_similarity(torch.cat([audio, other]), image)  # (2, 1)
    loss = ranking_hinge(similar[1:], similar[0], torch.ones(1, 1), margin)
    assert loss.item() == pytest.approx(expected, abs=1e-5)
    by_audio, by_weights = torch.autograd.grad(loss, [audio_input, weights])
    if margin == 2.0:
        expected_audio = [-0.0815, 0.1005, -0.1020, 0.0850, -0.0727, 0.0923]
        assert by_audio.flatten().tolist() == pytest.approx(expected_audio, abs=6e-5)
        packed = by_weights.transpose(0, 1).flatten(1)
        expected_weights = [1.7000, -0.7757, -0.9342, -0.2900, -0.7757, -1.2205, 0.5799, -0.1821]
        assert packed.flatten().tolist() == pytest.approx(expected_weights, abs=6e-5)
    else:
        assert not by_audio.any()


def test_hinge_over_a_batch() -> None:
    similar = torch.tensor([[1.6, 0.3, -0.2], [0.9, 1.1, 0.4], [0.1, 1.4, 1.0]])
    negative = ~torch.eye(3, dtype=torch.bool)
    own = similar.diagonal()
    assert float(ranking_hinge(similar, own, negative, 1.0)) == pytest.approx(0.433333, abs=1e-6)
    assert float(ranking_hinge(similar.T, own, negative.T, 1.0)) == pytest.approx(0.366667, abs=1e-6)


def test_gradient_check_and_detached_passes() -> None:
    maps = random_maps(1, clusters=2, positions=3, dim=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: cluster_maps(x).centres, (maps,))
    detached = cluster_maps(maps, detach_passes=True)
    through = cluster_maps(maps)
    torch.testing.assert_close(detached.centres, through.centres)
    (gradient,) = torch.autograd.grad(detached.centres.sum(), maps)
    expected = detached.assignments.detach()[..., None].expand_as(maps)
    torch.testing.assert_close(gradient, expected)


def test_module_under_autocast_and_its_arguments() -> None:
    layer = MapClustering(in_dim=6, num_clusters=3, dim=4)
    maps = torch.randn(2, 7, 6)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(maps.bfloat16())
    assert found.centres.dtype == torch.float32
    torch.testing.assert_close(found.centres, layer(maps.bfloat16().float()).centres)
    twin = MapClustering(in_dim=6, num_clusters=3, dim=4).double()
    assert twin(maps.double()).centres.dtype == torch.float64
    with pytest.raises(ValueError, match="positions, 6"):
        layer(torch.randn(2, 7, 5))
    with pytest.raises(ValueError, match="sharpness"):
        MapClustering(sharpness=0.0)
