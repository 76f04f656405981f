from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests._helpers.clustering_examples import joint, medium_log_probs, released, tiny_log_probs
from unlabelled.clustering import (
    ClusterContext,
    GaussianMarginals,
    Marginals,
    ReleasedGaussianMarginals,
    UniformMarginals,
    sinkhorn_knopp,
)


def context(head: int = 0, seed: int = 5, pass_index: int = 0) -> ClusterContext:
    return ClusterContext(head=head, num_clusters=5, num_modalities=2, seed=seed, pass_index=pass_index)


def mass(log_probs: tuple[Tensor, Tensor]) -> Tensor:
    return (log_probs[0] + log_probs[1]).exp().sum(0)


def drawn(kind: type[GaussianMarginals] | type[ReleasedGaussianMarginals], sizes: list[float]) -> Marginals:
    marginals = kind()
    marginals.load_state_dict({"sizes": {0: torch.tensor(sizes)}})
    return marginals


def test_column_masses_of_the_examples() -> None:
    assert mass(tiny_log_probs()).tolist() == pytest.approx([0.690332, 0.584323, 0.689353], abs=1e-6)
    expected = [15.019597, 5.869519, 4.517756, 5.513813, 13.990159]
    assert mass(medium_log_probs()).tolist() == pytest.approx(expected, abs=1e-6)


def test_intended_marginals_on_the_tiny_example() -> None:
    scores, masses = joint(tiny_log_probs()), mass(tiny_log_probs())
    share = drawn(GaussianMarginals, [2.2, 1.8, 2.0])(masses, context(), 6)
    assert share.tolist() == pytest.approx([0.366667, 0.3, 0.333333], abs=1e-6)
    result = released(scores, share)
    assert (result.iterations, result.labels.tolist()) == (21, [0, 0, 2, 0, 2, 1])
    assert result.column_sums.tolist() == pytest.approx([0.366820, 0.299871, 0.333310], abs=1e-6)
    plan = 6 * sinkhorn_knopp(scores, marginals=share, tolerance=1e-12).plan(scores)
    assert plan[3].tolist() == pytest.approx([0.473086, 0.355599, 0.171315], abs=1e-6)


def test_released_marginals_on_the_tiny_example() -> None:
    marginals = drawn(ReleasedGaussianMarginals, [2.2, 1.8, 2.0])
    share = marginals(mass(tiny_log_probs()), context(), 6)
    assert marginals.state_dict()["sizes"][0].tolist() == pytest.approx([2.0, 2.2, 1.8])
    assert share.tolist() == pytest.approx([0.331104, 0.301003, 0.367893], abs=1e-6)
    result = released(joint(tiny_log_probs()), share)
    assert (result.iterations, result.labels.tolist()) == (21, [0, 0, 2, 1, 2, 1])
    assert result.error == pytest.approx(0.0021008, abs=5e-8)


def test_sorted_but_inverted_marginals_on_the_tiny_example() -> None:
    scores = joint(tiny_log_probs())
    share = torch.tensor([0.301003, 0.367893, 0.331104], dtype=torch.float64)
    result = released(scores, share)
    assert (result.iterations, result.labels.tolist()) == (11, [0, 0, 2, 1, 1, 1])
    assert result.column_sums.tolist() == pytest.approx([0.302497, 0.361598, 0.335906], abs=1e-6)


def test_intended_marginals_on_the_medium_example() -> None:
    share = drawn(GaussianMarginals, [44, 36, 40, 38, 42])(mass(medium_log_probs()), context(), 200)
    assert (200 * share).tolist() == pytest.approx([44, 40, 36, 38, 42])
    result = released(joint(medium_log_probs()), share)
    assert result.iterations == 141
    assert result.labels.bincount().tolist() == [43, 42, 36, 36, 43]
    assert int((torch.arange(200) * result.labels).sum()) == 39502


def test_released_marginals_permute_again_at_every_call() -> None:
    scores, masses = joint(medium_log_probs()), mass(medium_log_probs())
    marginals = drawn(ReleasedGaussianMarginals, [44, 36, 40, 38, 42])
    first = released(scores, marginals(masses, context(), 200))
    assert marginals.state_dict()["sizes"][0].tolist() == [42, 40, 44, 36, 38]
    assert (first.iterations, first.labels.bincount().tolist()) == (191, [38, 42, 34, 45, 41])
    assert first.error == pytest.approx(0.075875, abs=1e-6)
    assert int((torch.arange(200) * first.labels).sum()) == 40763
    assert -first.mean_label_score / 20 == pytest.approx(1.288860, abs=1e-6)
    second = released(scores, marginals(masses, context(pass_index=1), 200))
    assert marginals.state_dict()["sizes"][0].tolist() == [38, 44, 42, 40, 36]
    assert (second.iterations, second.labels.bincount().tolist()) == (161, [40, 40, 37, 38, 45])


def test_uniform() -> None:
    assert UniformMarginals()(torch.rand(4), context(), 9).tolist() == [0.25] * 4
    UniformMarginals().load_state_dict(UniformMarginals().state_dict())
    with pytest.raises(ValueError, match="made with other marginals"):
        UniformMarginals().load_state_dict({"sizes": {}})


@pytest.mark.parametrize("kind", [GaussianMarginals, ReleasedGaussianMarginals])
def test_draws_depend_on_seed_and_head_alone(kind: type[GaussianMarginals]) -> None:
    masses = torch.arange(50.0)
    one, other = kind(), kind()
    torch.manual_seed(0)
    first = [one(masses, context(head), 100) for head in (0, 1)]
    torch.manual_seed(1)
    again = [other(masses, context(head), 100) for head in (1, 0)][::-1]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(kind()(masses, context(seed=6), 100), first[0])


def test_a_draw_is_kept_but_follows_the_masses() -> None:
    marginals = GaussianMarginals()
    rising = marginals(torch.arange(30.0), context(), 100)
    falling = marginals(-torch.arange(30.0), context(pass_index=1), 100)
    assert torch.equal(rising, rising.sort().values)
    torch.testing.assert_close(falling, rising.flip(0))


def test_the_draw_has_the_wanted_spread() -> None:
    sizes = 20_000 * GaussianMarginals(std=0.1)(torch.rand(20_000), context(), 10**6)
    assert float(sizes.mean()) == pytest.approx(1.0)
    assert float(sizes.std()) == pytest.approx(0.1, rel=0.03)


def test_draws_that_are_too_small_are_raised_to_a_tenth() -> None:
    marginals = GaussianMarginals(std=3.0)
    share = marginals(torch.rand(200), context(), 1000)
    assert float(marginals.state_dict()["sizes"][0].min()) == pytest.approx(0.1)
    assert bool((share > 0).all())
    assert float(share.sum()) == pytest.approx(1)


@pytest.mark.parametrize("kind", [GaussianMarginals, ReleasedGaussianMarginals])
def test_state_resumes_and_is_a_copy(kind: type[GaussianMarginals]) -> None:
    unbroken, resumed, masses = kind(), kind(), torch.rand(10)
    unbroken(masses, context(), 100)
    state = unbroken.state_dict()
    expected = unbroken(masses, context(pass_index=1), 100)
    resumed.load_state_dict(state)
    assert torch.equal(resumed(masses, context(seed=999, pass_index=1), 100), expected)


def test_errors() -> None:
    with pytest.raises(ValueError, match="std is -1"):
        GaussianMarginals(std=-1)
    with pytest.raises(ValueError, match="vector of positive numbers"):
        GaussianMarginals().load_state_dict({"sizes": {0: torch.tensor([1.0, -1.0])}})
    with pytest.raises(ValueError, match="has 4 clusters, but its sizes were drawn for 3"):
        drawn(GaussianMarginals, [1, 1, 1])(torch.rand(4), context(), 100)
