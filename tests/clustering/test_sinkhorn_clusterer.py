from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests._helpers.clustering_examples import (
    LAMBDA,
    joint,
    long_tailed_scores,
    medium_log_probs,
    two_head_scores,
)
from unlabelled.clustering import (
    ClusterContext,
    Clusterer,
    GaussianMarginals,
    SinkhornClusterer,
    UniformMarginals,
    sinkhorn_clusterer,
    sinkhorn_knopp,
)


def context(head: int = 0, num_modalities: int = 2) -> ClusterContext:
    return ClusterContext(head=head, num_clusters=5, num_modalities=num_modalities, seed=1, pass_index=0)


class Recorder(UniformMarginals):
    def __call__(self, column_mass: Tensor, context: ClusterContext, num_samples: int) -> Tensor:
        self.seen = column_mass.clone(), context, num_samples
        return super().__call__(column_mass, context, num_samples)


def test_solves_selavis_problem() -> None:
    log_probs = medium_log_probs()
    expected = sinkhorn_knopp(joint(log_probs))
    assignment = SinkhornClusterer()(log_probs[0] + log_probs[1], context())
    assert torch.equal(assignment.labels, expected.labels)
    assert set(assignment.report) == {"sinkhorn_error", "sinkhorn_iterations", "cost"}
    assert assignment.report["sinkhorn_error"] <= 1e-4
    assert assignment.report["sinkhorn_iterations"] == expected.iterations
    # The released stop gives the same labels, whose cost the worked example states.
    assert assignment.report["cost"] == pytest.approx(1.286624, abs=1e-6)


def test_labels_do_not_depend_on_the_size_above_which_float64_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = long_tailed_scores(2000, 30)
    small = SinkhornClusterer()(scores.clone(), context())
    monkeypatch.setattr(sinkhorn_clusterer, "SOLVED_IN_FLOAT64", scores.numel() - 1)
    large = SinkhornClusterer()(scores.clone(), context())
    assert (small.labels == large.labels).double().mean() >= 0.999
    assert large.report["cost"] == pytest.approx(small.report["cost"], rel=1e-6)
    assert large.report["sinkhorn_error"] != small.report["sinkhorn_error"], "both were solved in float64"


def test_one_modality_is_sela() -> None:
    video = medium_log_probs()[0]
    expected = sinkhorn_knopp(25 * video)
    assert torch.equal(
        SinkhornClusterer(lambda_=25)(video.clone(), context(num_modalities=1)).labels, expected.labels
    )


def test_identical_views_give_the_labels_of_one() -> None:
    video = medium_log_probs()[0]
    one = SinkhornClusterer()(video.clone(), context(num_modalities=1))
    two = SinkhornClusterer()(video * 2, context(num_modalities=2))
    assert torch.equal(one.labels, two.labels)
    assert one.report["cost"] == pytest.approx(two.report["cost"], rel=1e-9)


def test_marginals_get_the_products_of_probabilities_before_the_power() -> None:
    scores = two_head_scores(20_000, 64)
    expected = scores.double().exp().sum(0)
    marginals = Recorder()
    SinkhornClusterer(marginals=marginals)(scores, context(head=3))
    mass, seen_context, num_samples = marginals.seen
    torch.testing.assert_close(mass, expected, rtol=1e-5, atol=0)
    assert (seen_context.head, num_samples) == (3, 20_000)


def test_marginals_are_enforced() -> None:
    scores = two_head_scores(4000, 8).double()
    clusterer = SinkhornClusterer(lambda_=200, marginals=GaussianMarginals(std=0.5), tolerance=1e-3)
    labels = clusterer(scores.clone(), context()).labels
    sizes = clusterer.state_dict()["marginals"]["sizes"][0]
    counts = labels.bincount(minlength=8).double()
    torch.testing.assert_close(
        counts.sort().values / 4000, (sizes / sizes.sum()).sort().values, atol=0.005, rtol=0
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_scores(dtype: torch.dtype) -> None:
    scores = two_head_scores(500, 8).to(dtype)
    expected = sinkhorn_knopp(LAMBDA / 2 * scores.float())
    assert torch.equal(SinkhornClusterer()(scores, context()).labels, expected.labels)


def test_state_restores_the_draws() -> None:
    scores = two_head_scores(300, 6)
    unbroken, resumed = (SinkhornClusterer(marginals=GaussianMarginals(std=0.4)) for _ in range(2))
    unbroken(scores.clone(), context())
    resumed.load_state_dict(unbroken.state_dict())
    other_seed = ClusterContext(head=0, num_clusters=5, num_modalities=2, seed=77, pass_index=1)
    assert torch.equal(
        resumed(scores.clone(), other_seed).labels, unbroken(scores.clone(), other_seed).labels
    )
    assert isinstance(unbroken, Clusterer)


def drifting_scores(passes: int) -> list[Tensor]:
    """Return the scores of passes whose heads have changed a little from each to the next."""
    generator = torch.Generator().manual_seed(0)
    features, head = (torch.randn(*shape, generator=generator) for shape in ((4000, 16), (16, 12)))
    changes = [0.05 * torch.randn(16, 12, generator=generator) for _ in range(passes)]
    return [2 * (features @ (head + change)).log_softmax(1) for change in changes]


def test_a_warm_start_saves_iterations_and_finds_the_labels() -> None:
    cold, warm = SinkhornClusterer(), SinkhornClusterer(warm_start=True)
    runs = [[each(scores.clone(), context()) for each in (cold, warm)] for scores in drifting_scores(3)]
    assert torch.equal(runs[0][0].labels, runs[0][1].labels)
    for number, (fresh, continued) in enumerate(runs):
        fewer = continued.report["sinkhorn_iterations"] < fresh.report["sinkhorn_iterations"]
        assert fewer == (number > 0)
        assert (fresh.labels == continued.labels).double().mean() > 0.999
        assert continued.report["sinkhorn_error"] <= 1e-4
    assert set(cold.state_dict()) == {"marginals"}


def test_a_warm_start_is_continued_from_a_checkpoint() -> None:
    first, second = drifting_scores(2)
    unbroken, resumed = (SinkhornClusterer(warm_start=True) for _ in range(2))
    unbroken(first, context())
    resumed.load_state_dict(unbroken.state_dict())
    results = [each(second.clone(), context()) for each in (unbroken, resumed)]
    assert results[0].report == results[1].report
    assert torch.equal(results[0].labels, results[1].labels)
    other_head = resumed(second.clone(), context(head=1))
    assert other_head.report == SinkhornClusterer()(second.clone(), context()).report
    resumed.load_state_dict({"marginals": {}})  # of a run without it
    assert resumed(second.clone(), context()).report == other_head.report


def test_errors() -> None:
    with pytest.raises(ValueError, match="lambda_ is 0"):
        SinkhornClusterer(lambda_=0)
    with pytest.raises(ValueError, match="num_modalities is 0"):
        SinkhornClusterer()(torch.zeros(2, 2), context(num_modalities=0))
