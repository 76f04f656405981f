"""Finite inputs of any size give finite results and gradients, or one error."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unlabelled.clustering import (
    cosine_kmeans,
    damped_multi_sinkhorn,
    fit_centroids,
    fit_whitening,
    graded_multi_sinkhorn,
    kmeans,
    nearest_centroid,
    sinkhorn_knopp,
)
from unlabelled.clustering.centroids import nearest_with_quality
from unlabelled.hierarchy import (
    EuclideanSpace,
    PoincareBall,
    distance,
    distance_to_origin,
    exp0,
    exp_at,
    gromov_product,
    lca_point,
    line_depth,
    log0,
    log_at,
    mobius_add,
    pairwise_distance,
    project,
    segment_depth,
)
from unlabelled.losses import symmetric_nce
from unlabelled.metrics import sharded_top_k
from unlabelled.metrics.localisation import normalised_maps

Function = Callable[..., Tensor | Sequence[Tensor]]

GEOMETRY: dict[str, Function] = {
    "exp0": lambda a, _: exp0(a),
    "project": lambda a, _: project(a),
    "embed": lambda a, _: PoincareBall().embed(a),
    "log0": lambda a, _: log0(exp0(a)),
    "depth": lambda a, _: distance_to_origin(exp0(a)),
    "distance": lambda a, b: distance(exp0(a), exp0(b)),
    "pairwise_distance": lambda a, b: pairwise_distance(exp0(a), exp0(b)),
    "euclidean": EuclideanSpace().pairwise_distance,
    "mobius_add": lambda a, b: mobius_add(exp0(a), exp0(b)),
    "exp_at": lambda a, b: exp_at(exp0(a), b),
    "log_at": lambda a, b: log_at(exp0(a), exp0(b)),
    "line_depth": lambda a, b: line_depth(exp0(a), exp0(b)),
    "segment_depth": lambda a, b: segment_depth(exp0(a), exp0(b)),
    "gromov_product": lambda a, b: gromov_product(exp0(a), exp0(b)),
    "lca_point": lambda a, b: lca_point(exp0(a), exp0(b)),
    "symmetric_nce": lambda a, b: symmetric_nce(a, b, torch.ones(len(a), dtype=torch.bool)),
}
WITHOUT_GRADIENT: dict[str, Function] = {
    "sinkhorn": lambda a, _: _factors(a),
    "damped": lambda a, _: damped_multi_sinkhorn(a, 2),
    "damped_code": lambda a, _: damped_multi_sinkhorn(a, 2, order="code"),
    "graded": lambda a, _: graded_multi_sinkhorn(a, 2),
    "whitening": lambda a, _: fit_whitening(a, 2)(a),
    "kmeans": lambda a, _: kmeans(a, 2, 0).double(),
    "centroids": lambda a, _: fit_centroids(a, 2, 0),
    "cosine_kmeans": lambda a, _: cosine_kmeans(a, a[:2]),
    "nearest": lambda a, b: nearest_with_quality(a, b.float(), spherical=False),
    "nearest_cosine": lambda a, b: nearest_centroid(a, b.float(), spherical=True).double(),
    "ancestor": lambda a, b: EuclideanSpace().ancestor(a[0], b[0]),
    "maps": lambda a, _: normalised_maps(a[:, :, None]),
    "neighbours": lambda a, b: sharded_top_k(a, b, torch.arange(6), torch.arange(6), 2).similarities,
}


def _factors(scores: Tensor) -> list[Tensor]:
    result = sinkhorn_knopp(scores, max_iterations=30)
    return [result.log_alpha, result.log_beta, result.column_sums]


@st.composite
def rows(draw: st.DrawFn) -> Tensor:
    """Rows (6, 4): all, or one of them, of any size; equal, or nearly so, or different."""
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    values = torch.rand(6, 4, generator=generator, dtype=dtype) * 2 - 1
    spread = draw(st.sampled_from([1.0, 1e-4, 1e-9, 0.0]))
    values = values[:1] * (1 - spread) + values * spread if spread < 1 else values
    largest = 37 if dtype == torch.float32 else 307
    exponent = draw(st.sampled_from([0, 5, 10, 18, 20, 30, 37, 100, 155, 200, 307]))
    scale = 10.0 ** (draw(st.sampled_from([-1, 1])) * min(exponent, largest))
    if draw(st.booleans()):
        return values * scale
    values[0] *= scale
    return values


def _tensors(result: Tensor | Sequence[Tensor]) -> list[Tensor]:
    found = [result] if isinstance(result, Tensor) else list(result)
    return [each for each in found if each.is_floating_point()]


@pytest.mark.parametrize("name", GEOMETRY)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_geometry_is_finite_with_finite_gradients(name: str, data: st.DataObject) -> None:
    first = data.draw(rows())
    inputs = [each.requires_grad_() for each in (first, data.draw(rows()).to(first.dtype).clamp(-1e37, 1e37))]
    results = _tensors(GEOMETRY[name](*inputs))
    assert all(bool(each.isfinite().all()) for each in results)
    total = torch.stack([each.double().sum() for each in results]).sum()
    for gradient in torch.autograd.grad(total, inputs, allow_unused=True):
        assert gradient is None or bool(gradient.isfinite().all())


@pytest.mark.parametrize("name", WITHOUT_GRADIENT)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_finite_results_or_one_error(name: str, data: st.DataObject) -> None:
    first = data.draw(rows())
    second = data.draw(rows()).to(first.dtype).clamp(-1e37, 1e37)
    try:
        results = _tensors(WITHOUT_GRADIENT[name](first, second))
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017 - an error is one of two right results
        return
    assert all(bool(each.isfinite().all()) for each in results)


@pytest.mark.parametrize("size", [1e30, 1e308])
def test_the_exponential_map_keeps_directions_at_any_size(size: float) -> None:
    v = torch.tensor([3.0, -4.0], dtype=torch.float64)
    torch.testing.assert_close(exp0(size / 4 * v), v / 5, atol=1e-12, rtol=0)
    torch.testing.assert_close(project(size / 4 * v), v / 5 * (1 - 1e-5), atol=1e-12, rtol=0)
    torch.testing.assert_close(PoincareBall().embed(size / 4 * v), exp0(v), atol=1e-12, rtol=0)


@pytest.mark.parametrize("gap", [1e-5, 1e-9, 1e-13])
def test_distances_of_close_points_keep_their_digits(gap: float) -> None:
    x = torch.tensor([[0.6, 0.3], [0.1, 0.2]], dtype=torch.float64)
    y = x + gap * torch.tensor([1.0, -1.0], dtype=torch.float64)
    expected = distance(x[:, None], y)
    torch.testing.assert_close(pairwise_distance(x, y), expected, rtol=1e-12, atol=0)
