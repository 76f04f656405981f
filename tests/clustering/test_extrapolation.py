"""Extrapolation: fewer iterations to the same solution, and another stepper where it fails."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests._helpers.clustering_examples import LAMBDA, joint, medium_log_probs, two_head_scores
from unlabelled.clustering import ClusterContext, SinkhornClusterer, sinkhorn_clusterer, sinkhorn_knopp
from unlabelled.clustering.extrapolation import Extrapolation


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extrapolation_takes_half_the_iterations_to_the_same_labels(dtype: torch.dtype) -> None:
    for scores in (LAMBDA / 2 * two_head_scores(6000, 40), joint(medium_log_probs())):
        relaxed = sinkhorn_knopp(scores.to(dtype))
        extrapolated = sinkhorn_knopp(scores.to(dtype), memory=8)
        assert extrapolated.converged
        assert extrapolated.iterations <= relaxed.iterations / 2
        assert (extrapolated.labels == relaxed.labels).double().mean() > 0.999
        assert extrapolated.column_sums.sub(1 / scores.shape[1]).abs().max() <= 1.001e-4 / scores.shape[1]


def test_a_converged_plan_is_the_same() -> None:
    scores = joint(medium_log_probs())
    plans = [sinkhorn_knopp(scores, tolerance=1e-11, memory=memory).plan(scores) for memory in (0, 5)]
    torch.testing.assert_close(*plans, atol=1e-11, rtol=0)


@pytest.mark.parametrize("scale", [1.0, 300.0, 1e4])
def test_absurd_scores_stay_finite(scale: float) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = scale * torch.randn(50, 7, generator=generator)
    result = sinkhorn_knopp(scores, memory=8, max_iterations=400)
    relaxed = sinkhorn_knopp(scores, max_iterations=400)
    assert result.log_alpha.isfinite().all()
    assert result.error <= 3 * relaxed.error + 1e-4


class Recorder:
    def __init__(self) -> None:
        self.points: list[Tensor] = []

    def step(self, point: Tensor, residual: Tensor, error: float) -> Tensor:
        self.points.append(point)
        return point


def test_the_fallback_continues_from_the_best_point_after_two_failures() -> None:
    fallback = Recorder()
    steps, best, residual = Extrapolation(4, fallback), torch.zeros(2), torch.ones(2)
    steps.step(best - 1, residual, 0.6)
    assert torch.equal(steps.step(best, residual, 0.5), residual)
    for _ in range(2):
        assert torch.equal(steps.step(torch.full((2,), 9.0), residual, 5.1), residual)
    steps.step(residual, residual, 0.4)
    assert [point.tolist() for point in fallback.points] == [[-1.0, -1.0], [1.0, 1.0]], "far, and at the end"


def test_a_linear_iteration_is_solved_at_once() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = 0.3 * torch.randn(4, 4, generator=generator, dtype=torch.float64)
    steps, point = Extrapolation(4, Recorder()), torch.ones(4, dtype=torch.float64)
    for _ in range(8):
        residual = matrix @ point - point
        point = steps.step(point, residual, 0.1 * float(residual.norm()))
    assert point.norm() < 1e-6


def test_the_clusterer_extrapolates_large_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, context = two_head_scores(2000, 12), ClusterContext(0, 12, 2, seed=1, pass_index=0)
    iterations = [
        SinkhornClusterer(memory=memory)(scores.clone(), context).report["sinkhorn_iterations"]
        for memory in (None, 0, 8)
    ]
    assert iterations[0] == iterations[1] > iterations[2]
    monkeypatch.setattr(sinkhorn_clusterer, "SOLVED_IN_FLOAT64", scores.numel() - 1)
    large = SinkhornClusterer()(scores.clone(), context)
    assert large.report["sinkhorn_iterations"] < iterations[0]
