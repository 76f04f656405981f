from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests._helpers.clustering_examples import (
    LAMBDA,
    joint,
    long_tailed_scores,
    medium_log_probs,
    released,
    tiny_log_probs,
    two_head_scores,
)
from unlabelled.clustering import RowChange, sinkhorn_knopp
from unlabelled.clustering.row_blocks import RowBlocks
from unlabelled.clustering.sinkhorn import SinkhornResult

T = TypeVar("T")


def converge(scores: Tensor, marginals: Tensor | None = None, **options: object) -> SinkhornResult:
    return sinkhorn_knopp(
        scores.double(), marginals=marginals, tolerance=1e-12, max_iterations=20_000, **options
    )


def pot_plan(scores: Tensor, marginals: Tensor) -> Tensor:
    rows = np.full(len(scores), 1 / len(scores))
    plan = ot.sinkhorn(
        rows, marginals.numpy(), -scores.numpy(), 1.0, method="sinkhorn_log", numItermax=20_000, stopThr=1e-13
    )
    return torch.as_tensor(plan)


def even(count: int) -> Tensor:
    return torch.full((count,), 1 / count, dtype=torch.float64)


# ---- worked examples: the released algorithm, run on CPU in float64 ----


def test_tiny_example_at_the_released_stop() -> None:
    log_probs = tiny_log_probs()
    scores = joint(log_probs)
    result = released(scores)
    assert (result.iterations, result.labels.tolist()) == (21, [0, 0, 2, 1, 1, 1])
    assert result.error == pytest.approx(0.0013491, abs=5e-8)
    assert result.column_sums.tolist() == pytest.approx([0.333427, 0.333244, 0.333329], abs=5e-7)
    expected = [
        [0.999994, 0.000006, 0],
        [0.656156, 0.000105, 0.343739],
        [0.000233, 0.000321, 0.999446],
        [0.344182, 0.482259, 0.173559],
        [0, 0.516771, 0.483229],
        [0, 1, 0],
    ]
    torch.testing.assert_close(6 * result.plan(scores), torch.tensor(expected).double(), atol=1e-6, rtol=0)
    cost = -result.mean_label_score / LAMBDA
    assert cost == pytest.approx(0.938563, abs=1e-6)
    rows = torch.arange(6)
    assert -log_probs[0][rows, result.labels].mean() == pytest.approx(0.704317, abs=1e-6)
    assert -log_probs[1][rows, result.labels].mean() == pytest.approx(1.172808, abs=1e-6)


def test_tiny_example_converged() -> None:
    scores = joint(tiny_log_probs())
    result = converge(scores)
    expected = [
        [0.999994, 0.000006, 0],
        [0.655936, 0.000105, 0.343958],
        [0.000232, 0.000321, 0.999446],
        [0.343837, 0.482609, 0.173554],
        [0, 0.516959, 0.483041],
        [0, 1, 0],
    ]
    torch.testing.assert_close(6 * result.plan(scores), torch.tensor(expected).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(result.plan(scores).sum(0), even(3), atol=1e-12, rtol=0)


def test_sela_uses_one_modality() -> None:
    scores = 25 * tiny_log_probs()[0]
    result = released(scores)
    assert (result.iterations, result.labels.tolist()) == (11, [0, 0, 2, 2, 1, 1])
    assert result.error == pytest.approx(0.0021448, abs=5e-8)
    plan = 6 * result.plan(scores)
    assert plan[2].tolist() == pytest.approx([0.000005, 0, 0.999995], abs=1e-6)
    assert plan[4].tolist() == pytest.approx([0, 0.998928, 0.001072], abs=1e-6)


def test_medium_example_at_the_released_stop() -> None:
    result = released(joint(medium_log_probs()))
    assert result.iterations == 151
    assert result.error == pytest.approx(0.076013, abs=1e-6)
    assert result.labels.bincount().tolist() == [40, 42, 38, 41, 39]
    assert int((torch.arange(200) * result.labels).sum()) == 39829
    assert result.labels[:20].tolist() == [1, 1, 1, 0, 0, 0, 0, 0, 4, 4, 4, 4, 3, 3, 3, 3, 2, 2, 2, 1]
    assert result.column_sums.tolist() == pytest.approx(
        [0.200138, 0.199928, 0.199891, 0.199994, 0.200049], abs=1e-6
    )
    assert -result.mean_label_score / LAMBDA == pytest.approx(1.286624, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("relaxation", [1.0, 1.7])
def test_medium_example_has_the_same_labels_however_it_converges(
    dtype: torch.dtype, relaxation: float
) -> None:
    scores = joint(medium_log_probs())
    result = sinkhorn_knopp(scores.to(dtype), relaxation=relaxation)
    assert result.converged
    assert result.error <= 1e-4
    assert torch.equal(result.labels, released(scores).labels)


# ---- independent solver and invariants ----


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), num_samples=st.integers(1, 12), num_clusters=st.integers(1, 5))
def test_agrees_with_pot(seed: int, num_samples: int, num_clusters: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(num_samples, num_clusters, generator=generator, dtype=torch.float64) * 3
    share = torch.rand(num_clusters, generator=generator, dtype=torch.float64) + 0.2
    share /= share.sum()
    result = converge(scores, share)
    torch.testing.assert_close(result.plan(scores), pot_plan(scores, share), atol=1e-9, rtol=0)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), lambda_=st.sampled_from([1.0, 8.0]))
def test_invariants_of_the_converged_plan(seed: int, lambda_: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 12, 3, generator=generator, dtype=torch.float64)
    video, audio = logits.log_softmax(2)
    scores = lambda_ / 2 * (video + audio)
    result = converge(scores)
    plan = result.plan(scores)
    close = {"atol": 1e-9, "rtol": 0.0}
    torch.testing.assert_close(plan.sum(1), even(12), atol=1e-14, rtol=0)
    torch.testing.assert_close(plan.sum(0), even(3), atol=1e-11, rtol=0)
    assert torch.equal(plan.argmax(1), result.labels)
    rows, columns = torch.randperm(12, generator=generator), torch.randperm(3, generator=generator)
    permuted = scores[rows][:, columns]
    torch.testing.assert_close(converge(permuted).plan(permuted), plan[rows][:, columns], **close)
    raw = lambda_ / 2 * logits.sum(0)  # soft-max normalisation is a row factor
    torch.testing.assert_close(converge(raw).plan(raw), plan, **close)
    biased = raw + 100 * torch.randn(3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(converge(biased).plan(biased), plan, **close)


def test_without_weight_on_the_scores_every_row_gets_the_marginals() -> None:
    share = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    scores = torch.zeros(7, 3)
    plan = 7 * converge(scores, share).plan(scores)
    torch.testing.assert_close(plan, share.expand(7, 3), atol=1e-12, rtol=0)


def test_with_all_weight_on_the_scores_it_is_optimal_assignment() -> None:
    generator = torch.Generator().manual_seed(3)
    utility = torch.rand(12, 3, generator=generator, dtype=torch.float64)
    result = sinkhorn_knopp(200 * utility, tolerance=1e-3, max_iterations=20_000)
    _, seats = linear_sum_assignment(utility.repeat(1, 4).numpy(), maximize=True)
    assert result.labels.tolist() == (seats % 3).tolist()


def test_warm_start_needs_fewer_iterations_and_finds_the_same() -> None:
    scores = joint(medium_log_probs())
    cold = converge(scores)
    warm = converge(scores, log_beta=cold.log_beta)
    assert warm.iterations < 5 < cold.iterations
    torch.testing.assert_close(warm.plan(scores), cold.plan(scores), atol=1e-10, rtol=0)


# ---- float32 ----


def test_float32_gives_the_labels_of_float64_at_lambda_20() -> None:
    scores = LAMBDA / 2 * two_head_scores(20_000, 40)
    single, double = sinkhorn_knopp(scores), converge(scores)
    assert (single.labels == double.labels).double().mean() >= 0.9998
    torch.testing.assert_close(single.column_sums, even(40), atol=3e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_cluster_that_is_improbable_everywhere_gets_its_share(dtype: torch.dtype) -> None:
    """exp(-5000) is 0 in any format, yet a constant on a column does not change the plan."""
    scores = joint(medium_log_probs())
    dead = scores.clone()
    dead[:, 1] -= 5000
    result = sinkhorn_knopp(dead.to(dtype), tolerance=1e-5)
    assert torch.equal(result.labels, converge(scores).labels)
    torch.testing.assert_close(result.column_sums, even(5), atol=1e-5, rtol=0)


@pytest.mark.parametrize("relaxation", [1.0, 1.7])
def test_float32_gives_the_labels_of_float64_on_long_tailed_heads(relaxation: float) -> None:
    """Potentials span 400; with scores capped 80 below the maximum, half of the labels were others."""
    scores = LAMBDA / 2 * long_tailed_scores(2000, 30)
    single = sinkhorn_knopp(scores, relaxation=relaxation)
    double = sinkhorn_knopp(scores.double(), relaxation=relaxation)
    assert float(double.log_alpha.amax() - double.log_alpha.amin()) > 300
    assert (single.labels == double.labels).double().mean() >= 0.999
    assert single.mean_label_score == pytest.approx(double.mean_label_score, rel=1e-6)
    plan = single.plan(scores)
    torch.testing.assert_close(plan.sum(1), even(2000), atol=0, rtol=1e-3)
    torch.testing.assert_close(plan.sum(0), single.column_sums, atol=1e-5, rtol=0)


def test_float32_converges_to_the_labels_of_float64_on_long_tailed_heads() -> None:
    """Potentials span 400 and are absorbed several times; at convergence no label differs."""
    scores = LAMBDA / 2 * long_tailed_scores(2000, 30)
    single, double = (
        sinkhorn_knopp(each, tolerance=1e-5, max_iterations=5000) for each in (scores, scores.double())
    )
    assert single.converged
    assert double.converged
    assert torch.equal(single.labels, double.labels)


def test_the_released_stop_in_float32_on_long_tailed_heads() -> None:
    scores = LAMBDA / 2 * long_tailed_scores(300, 8)
    single, double = released(scores), released(scores.double())
    assert abs(single.iterations - double.iterations) <= 10
    assert single.error == pytest.approx(double.error, rel=0.2)
    assert (single.labels == double.labels).double().mean() >= 0.99


@pytest.mark.parametrize(("dtype", "distance"), [(torch.float32, 300.0), (torch.float64, 3000.0)])
def test_scores_beyond_the_range_of_the_format(dtype: torch.dtype, distance: float) -> None:
    """All samples but one are far from cluster 1, which gets half: the potentials span the distance."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(50, 2, generator=generator).to(dtype)
    near = scores.double()
    scores[:, 1] -= distance
    scores[0] = near[0] = torch.tensor([-1.0, 0.0])
    near[0, 1] += distance  # the same problem with the constant taken from the column
    result = sinkhorn_knopp(scores, tolerance=1e-3)
    assert result.converged
    torch.testing.assert_close(result.column_sums, even(2), atol=1e-3, rtol=0)
    near[0, 1] = 60.0  # any large value: the sample stays in cluster 1
    assert torch.equal(result.labels, pot_plan(near, even(2)).argmax(1))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(50.0, 5000.0), relaxation=st.floats(1.0, 1.99))
def test_float32_stays_finite_on_absurd_scores(seed: int, scale: float, relaxation: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(30, 4, generator=generator).exp() * -scale
    result = sinkhorn_knopp(scores, relaxation=relaxation, max_iterations=60)
    for values in (result.log_alpha, result.log_beta, result.column_sums):
        assert bool(values.isfinite().all())
    assert bool((result.column_sums > 0).all())
    assert float(result.column_sums.sum()) == pytest.approx(1, abs=1e-5)


def test_one_cluster_and_one_sample() -> None:
    result = sinkhorn_knopp(torch.tensor([[-3.0]]))
    assert (result.labels.tolist(), result.column_sums.tolist()) == ([0], [1.0])
    assert result.iterations == 1


# ---- steps, stops and cost ----


def test_over_relaxation_saves_iterations() -> None:
    scores = LAMBDA / 2 * two_head_scores(2000, 20)
    plain, relaxed = sinkhorn_knopp(scores, relaxation=1.0), sinkhorn_knopp(scores)
    assert relaxed.iterations < 0.8 * plain.iterations
    assert (relaxed.labels == plain.labels).double().mean() >= 0.999


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 60.0), relaxation=st.floats(1.0, 1.99))
def test_no_relaxation_diverges(seed: int, scale: float, relaxation: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(30, 4, generator=generator, dtype=torch.float64) * scale
    result = sinkhorn_knopp(scores, relaxation=relaxation, tolerance=1e-3, max_iterations=20_000)
    assert result.converged


def test_stop_rules() -> None:
    scores = joint(medium_log_probs())
    capped = released(scores)
    assert capped.iterations % 10 == 1
    short = sinkhorn_knopp(scores, max_iterations=7)
    assert (short.iterations, short.converged) == (7, False)
    by_rule = sinkhorn_knopp(scores, tolerance=1e-2)
    worst = (by_rule.plan(scores).sum(0) * 5 - 1).abs().max()
    assert by_rule.error == pytest.approx(float(worst), rel=1e-9)
    assert by_rule.error <= 1e-2
    with pytest.raises(ValueError, match="every is 0"):
        RowChange(every=0)


# ---- memory, threads, surroundings ----


class LargestAllocation(TorchDispatchMode):
    """Records the most elements of any tensor that an operation returned in memory of its own."""

    def __init__(self, own: Tensor) -> None:
        super().__init__()
        self.own = own.untyped_storage().data_ptr()
        self.numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(value, Tensor) and value.untyped_storage().data_ptr() != self.own:
                self.numel = max(self.numel, value.untyped_storage().nbytes() // value.element_size())
        return result


def with_threads(count: int, function: Callable[[], T]) -> T:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        return function()
    finally:
        assert torch.get_num_threads() == count, "the solver must restore the number of threads"
        torch.set_num_threads(before)


def test_overwriting_needs_no_second_matrix() -> None:
    scores = LAMBDA / 2 * two_head_scores(20_000, 64)
    with LargestAllocation(scores) as seen:
        with_threads(1, lambda: sinkhorn_knopp(scores, overwrite=True, max_iterations=10))
    block = (1 << 20) // 4
    assert 0 < seen.numel <= block < scores.numel() / 4


def test_the_scores_are_unchanged_unless_overwritten() -> None:
    scores = joint(medium_log_probs())
    kept, given_away = scores.clone(), scores.clone()
    result = sinkhorn_knopp(kept)
    assert torch.equal(kept, scores)
    assert torch.equal(sinkhorn_knopp(given_away, overwrite=True).labels, result.labels)
    assert not torch.equal(given_away, scores)
    strided = scores.t().contiguous().t()
    assert torch.equal(sinkhorn_knopp(strided, overwrite=True).labels, result.labels)
    assert torch.equal(strided, scores)


def test_result_does_not_depend_on_the_number_of_threads() -> None:
    scores = LAMBDA / 2 * two_head_scores(20_000, 64)
    assert len(RowBlocks(20_000, 64 * 4, torch.device("cpu")).slices) == 5
    one, *others = [with_threads(count, lambda: sinkhorn_knopp(scores)) for count in (1, 2, 3)]
    for other in others:
        assert other.iterations == one.iterations
        assert torch.equal(other.log_alpha, one.log_alpha)
        assert torch.equal(other.log_beta, one.log_beta)
        assert torch.equal(other.labels, one.labels)


def test_row_blocks_pass_on_exceptions_and_restore_threads() -> None:
    def fail(index: int) -> None:
        raise RuntimeError(f"block {index}")

    def run() -> None:
        with (
            RowBlocks(100_000, 1024, torch.device("cpu")) as blocks,
            pytest.raises(RuntimeError, match="block"),
        ):
            blocks.run(fail)

    with_threads(2, run)


def test_works_inside_autocast_and_on_inference_tensors() -> None:
    scores = LAMBDA / 2 * two_head_scores(20_000, 64)
    expected = sinkhorn_knopp(scores)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(sinkhorn_knopp(scores).labels, expected.labels)
    with torch.inference_mode():
        inference = scores.clone()
    result = sinkhorn_knopp(inference, overwrite=True)
    assert torch.equal(result.labels, expected.labels)
    logits = torch.zeros(20_000, 64, requires_grad=True)
    torch.nn.functional.cross_entropy(logits, result.labels).backward()  # labels are ordinary tensors
    assert logits.grad is not None


def test_half_precision_scores_are_solved_in_float32() -> None:
    scores = joint(medium_log_probs()).bfloat16()
    assert torch.equal(sinkhorn_knopp(scores).labels, sinkhorn_knopp(scores.float()).labels)


# ---- errors ----


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        (torch.zeros(3), {}, "expected .samples, clusters."),
        (torch.zeros(3, 2, dtype=torch.int64), {}, "floating-point"),
        (torch.zeros(0, 2), {}, "no rows on any rank"),
        (torch.tensor([[0.0, torch.nan], [0.0, 0.0]]), {}, "1 of 2 rows"),
        (torch.tensor([[-torch.inf, -torch.inf], [0.0, 0.0]]), {}, "1 of 2 rows"),
        (torch.tensor([[0.0, -torch.inf], [0.0, -torch.inf]]), {}, r"clusters \[1\] have probability 0"),
        (torch.zeros(3, 2), {"marginals": torch.full((3,), 1 / 3)}, "expected .2,."),
        (torch.zeros(3, 2), {"marginals": torch.tensor([1.0, 0.0])}, "positive and sum to 1"),
        (torch.zeros(3, 2), {"marginals": torch.tensor([1.0, 1.0])}, "positive and sum to 1"),
        (torch.zeros(3, 2), {"max_iterations": 0}, "max_iterations is 0"),
        (torch.zeros(3, 2), {"relaxation": 2.0}, "relaxation is 2.0"),
        (torch.zeros(3, 2), {"log_beta": torch.zeros(2)}, "log_beta has shape"),
        (torch.zeros(3, 2), {"log_alpha": torch.zeros(3)}, "log_alpha has shape"),
        (torch.zeros(3, 2), {"memory": -1}, "memory is -1"),
        (torch.zeros(3, 2), {"log_alpha": torch.tensor([0.0, torch.nan])}, "expected finite numbers"),
        (torch.zeros(3, 2), {"log_alpha": torch.zeros(2), "log_beta": torch.zeros(3)}, "at most one"),
    ],
)
def test_errors_state_the_cause(scores: Tensor, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sinkhorn_knopp(scores, **options)


def test_single_impossible_entries_are_fine() -> None:
    scores = joint(medium_log_probs())
    scores[::7, 2] = -torch.inf
    result = sinkhorn_knopp(scores, tolerance=1e-6)
    assert not (result.labels[::7] == 2).any()
    torch.testing.assert_close(result.column_sums, even(5), atol=1e-6, rtol=0)
