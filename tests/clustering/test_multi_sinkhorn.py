"""Multi-SK: worked examples (docs/methods/sspc.md#worked-examples), the direct tensor, and invariants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, root
from scipy.special import expit
from torch import Tensor

from tests._helpers.multi_sinkhorn_oracle import (
    cosines,
    damped_weights,
    direct,
    direct_in_logs,
    direct_slices,
    graded_weights,
)
from unlabelled.clustering import (
    DampedMultiSinkhorn,
    GradedMultiSinkhorn,
    damped_multi_sinkhorn,
    graded_multi_sinkhorn,
)
from unlabelled.clustering import multi_sinkhorn_two_weights as two_weights
from unlabelled.losses import min_max_targets, raw_targets

BOTH = [(damped_multi_sinkhorn, damped_weights), (graded_multi_sinkhorn, lambda k, _: graded_weights(k))]
S2 = torch.tensor([[0.9, 0.1, 0.4], [0.2, 0.8, 0.3], [0.5, 0.6, -0.1], [-0.3, 0.7, 0.2]])
S3 = torch.tensor([[0.30, -0.10, 0.20, 0.05], [0.10, 0.25, -0.20, 0.00], [-0.05, 0.15, 0.35, -0.30]])
CODE = {"order": "code", "denominator_eps": 1e-5}
PLAIN_CODE = {"order": "code"}
PAPER = {"order": "paper"}

DAMPED = [
    (CODE, 0.5, 3, [[0.814176, 0.480053, 0.705771], [0.603363, 0.724250, 0.672387],
                    [0.736381, 0.694971, 0.568648], [0.511930, 0.767484, 0.720586]],
     [0.675555, 0.570975, 0.753116, 0.816487]),
    (PAPER, 0.5, 3, [[0.814241, 0.479964, 0.705796], [0.603468, 0.724144, 0.672388],
                     [0.736484, 0.694848, 0.568668], [0.512053, 0.767367, 0.720581]],
     [0.675583, 0.571120, 0.751897, 0.816751]),
    (PAPER, 0.5, 20, [[0.814094, 0.480309, 0.705597], [0.603672, 0.724151, 0.672177],
                      [0.736633, 0.694851, 0.568516], [0.512267, 0.767355, 0.720378]],
     [0.674948, 0.568601, 0.751474, 0.815838]),
    (CODE, 0.07, 20, [[1.022925, 0.009486, 0.967589], [0.547864, 0.825895, 0.626241],
                      [0.999252, 0.832266, 0.168482], [0.104662, 0.972391, 0.922947]],
     [0.945397, 0.281900, 0.798999, 0.943019]),
    (PLAIN_CODE, 0.07, 20, [[1.023355, 0.009337, 0.967307], [0.547703, 0.825662, 0.626634],
                            [0.999265, 0.832030, 0.168704], [0.104549, 0.972379, 0.923073]],
     [0.944727, 0.283967, 0.798648, 0.943185]),
    (PAPER, 0.07, 20, [[1.024481, 0.008931, 0.966588], [0.548400, 0.824275, 0.627325],
                       [0.998805, 0.831185, 0.170010], [0.104857, 0.971958, 0.923185]],
     [0.942993, 0.286088, 0.797755, 0.943751]),
]  # fmt: skip
GRADED = [
    (CODE, 0.5, 3, [[0.757596, 0.555455, 0.686949], [0.627548, 0.701375, 0.671077],
                    [0.707424, 0.682385, 0.610192], [0.573874, 0.727581, 0.698545]],
     [0.650509, 0.589599, 0.742484, 0.811091]),
    (PAPER, 0.5, 3, [[0.757634, 0.555411, 0.686955], [0.627570, 0.701350, 0.671080],
                     [0.707444, 0.682360, 0.610196], [0.573907, 0.727549, 0.698544]],
     [0.650490, 0.589721, 0.742066, 0.811216]),
    (PAPER, 0.5, 20, [[0.757643, 0.555428, 0.686929], [0.627600, 0.701346, 0.671054],
                      [0.707472, 0.682358, 0.610170], [0.573951, 0.727535, 0.698514]],
     [0.650303, 0.589230, 0.741891, 0.811039]),
    (CODE, 0.07, 20, [[0.989439, 0.175753, 0.834808], [0.490804, 0.821563, 0.687633],
                      [0.933268, 0.756163, 0.310569], [0.253136, 0.913121, 0.833743]],
     [0.809962, 0.595083, 0.715585, 0.879728]),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("function", "options", "epsilon", "iterations", "codes", "middles"),
    [(damped_multi_sinkhorn, *row) for row in DAMPED] + [(graded_multi_sinkhorn, *row) for row in GRADED],
)
def test_worked_example_with_two_of_three_anchors(
    function: Any,
    options: dict[str, Any],
    epsilon: float,
    iterations: int,
    codes: list[list[float]],
    middles: list[float],
    dtype: torch.dtype,
) -> None:
    result = function(S2.to(dtype), 2, epsilon=epsilon, num_iterations=iterations, **options)
    assert result.dtype == dtype
    torch.testing.assert_close(result, torch.tensor(codes, dtype=dtype), atol=1e-6, rtol=0)
    targets = min_max_targets(result, 2)
    assert targets.argmax(1).tolist() == [0, 1, 0, 1]
    assert targets.argmin(1).tolist() == [1, 0, 2, 0]
    torch.testing.assert_close(
        targets.median(1).values, torch.tensor(middles, dtype=dtype), atol=3e-6, rtol=0
    )


@pytest.mark.parametrize(
    ("function", "codes", "targets"),
    [
        (
            damped_multi_sinkhorn,
            [[0.785891, 0.038724, 0.518607, 0.656778], [0.478985, 0.785251, 0.030676, 0.705088],
             [0.235145, 0.676303, 0.950435, 0.138118]],
            [[1, 0, 0.642270, 0.827196], [0.594121, 1, 0, 0.893764], [0.119445, 0.662531, 1, 0]],
        ),
        (
            graded_multi_sinkhorn,
            [[0.690443, 0.166405, 0.531571, 0.611582], [0.496519, 0.716437, 0.146251, 0.640794],
             [0.313038, 0.617159, 0.822178, 0.247625]],
            [[1, 0, 0.696831, 0.849512], [0.614305, 1, 0, 0.867337], [0.113852, 0.643167, 1, 0]],
        ),
    ],
)  # fmt: skip
def test_worked_example_with_two_of_four_anchors(function: Any, codes: Any, targets: Any) -> None:
    result = function(S3.double(), 2, **CODE)
    torch.testing.assert_close(result, torch.tensor(codes, dtype=torch.float64), atol=1e-6, rtol=0)
    found = min_max_targets(result, 2)
    torch.testing.assert_close(found, torch.tensor(targets, dtype=torch.float64), atol=1e-6, rtol=0)


def test_slices_of_the_direct_form_are_the_worked_ones() -> None:
    """Slices of the oracle, with which the functions are compared below, equal those worked by hand."""
    undamped = [[0.407047, 0.240154, 0.352798], [0.301836, 0.362076, 0.336088]]
    damped = [[0.185906, 0.519691, 0.294403], [0.396328, 0.275849, 0.327823]]
    slices = direct_slices(S2, damped_weights(3, 2), epsilon=0.5)
    for found, expected in zip(slices[:, :2], (undamped, undamped, damped), strict=True):
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.parametrize("options", [PAPER, PLAIN_CODE, CODE, {"order": "paper", "denominator_eps": 1e-5}])
@pytest.mark.parametrize(("function", "weights"), BOTH)
@pytest.mark.parametrize(
    ("samples", "anchors", "assigned"), [(50, 8, 4), (7, 6, 1), (120, 16, 15), (1, 5, 2), (3, 2, 1)]
)
def test_equals_the_direct_form(
    samples: int, anchors: int, assigned: int, function: Any, weights: Any, options: dict[str, Any]
) -> None:
    scores = cosines(samples, anchors, seed=anchors)
    for epsilon in (0.5, 0.07, 0.02):
        for iterations in (1, 2, 3, 20):
            rest = {"epsilon": epsilon, "num_iterations": iterations, **options}
            expected = direct(scores, assigned, weights(anchors, assigned), **rest)
            found = function(scores.double(), assigned, **rest)
            torch.testing.assert_close(found, expected, atol=1e-11, rtol=0)
            found = function(scores, assigned, **rest)
            torch.testing.assert_close(found, expected.float(), atol=1e-6, rtol=5e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_many_rows_go_through_several_tiles(dtype: torch.dtype) -> None:
    scores = cosines(9000, 40).to(dtype)
    expected = direct(scores, 20, damped_weights(40, 20), num_iterations=4)
    found = damped_multi_sinkhorn(scores, 20, num_iterations=4)
    torch.testing.assert_close(found, expected.to(dtype), atol=1e-6, rtol=5e-7)
    scores = scores[:150]
    expected = direct(scores, 20, graded_weights(40), num_iterations=4)
    found = graded_multi_sinkhorn(scores, 20, num_iterations=4)
    torch.testing.assert_close(found, expected.to(dtype), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("reach", "in_float32"), [(0.0, False), (20.0, False), (80.0, True)])
def test_float32_is_left_when_its_range_may_end(
    reach: float, in_float32: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, or after rounds whose factors have grown; the codes are the same."""
    scores = cosines(60, 9, seed=2)
    calls = []
    by_logits = two_weights._by_logits

    def spied(*args: Any) -> Tensor:
        calls.append(args)
        return by_logits(*args)

    monkeypatch.setattr(two_weights, "_LARGEST_EXPONENT", reach)
    monkeypatch.setattr(two_weights, "_by_logits", spied)
    found = damped_multi_sinkhorn(scores, 4, epsilon=0.05)
    assert bool(calls) != in_float32
    expected = direct(scores, 4, damped_weights(9, 4), epsilon=0.05)
    torch.testing.assert_close(found, expected.float(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("order", ["paper", "code"])
@pytest.mark.parametrize("peaked", [False, True])
def test_float32_is_exact_at_small_epsilon(order: str, peaked: bool) -> None:
    scores = cosines(200, 16, seed=3)
    if peaked:
        scores = torch.where(scores > 0.2, 1.0, -1.0) + 1e-3 * scores
    assert not direct_float32(scores, 0.002).isfinite().any()
    found = damped_multi_sinkhorn(scores, 8, epsilon=0.002, order=order)
    expected = direct_in_logs(scores, damped_weights(16, 8), epsilon=0.002, order=order)[:8].sum(0)
    torch.testing.assert_close(found, expected.float(), atol=1e-6, rtol=0)
    found = graded_multi_sinkhorn(scores, 8, epsilon=0.002, order=order)
    expected = direct_in_logs(scores, graded_weights(16), epsilon=0.002, order=order)[:8].sum(0)
    torch.testing.assert_close(found, expected.float(), atol=1e-6, rtol=0)


def direct_float32(scores: Tensor, epsilon: float) -> Tensor:
    """Compute the direct form in single precision, without care: it overflows."""
    q = (torch.tensor(damped_weights(16, 8))[:, None, None] * scores / epsilon).exp()
    q = q / q.sum()
    for _ in range(3):
        q = q / q.sum(2, keepdim=True)
        q = q / q.sum(1, keepdim=True)
        q = q / q.sum(0, keepdim=True)
    return q


def test_scores_far_out_of_the_cosines_range_still_give_codes() -> None:
    scores = 1e4 * torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    for order in ("paper", "code"):
        for iterations in (1, 2, 20):
            codes = damped_multi_sinkhorn(scores, 3, num_iterations=iterations, order=order)
            torch.testing.assert_close(codes.sum(1), torch.full((40,), 3.0))


@pytest.mark.parametrize(("samples", "anchors", "assigned", "damping"), [(30, 6, 3, 0.25), (13, 5, 2, 0.8)])
def test_limit_is_a_balanced_sigmoid(samples: int, anchors: int, assigned: int, damping: float) -> None:
    scores = cosines(samples, anchors, seed=1).double()
    codes = damped_multi_sinkhorn(scores, assigned, damping, num_iterations=300)
    expected = balanced_sigmoid((1 - damping) / 0.07 * scores.numpy(), assigned)
    np.testing.assert_allclose(codes.numpy(), expected, atol=1e-10)


def balanced_sigmoid(logits: np.ndarray, assigned: int) -> np.ndarray:
    """Find the row and column shifts by Newton's method (MINPACK), independently of any Sinkhorn."""
    samples, anchors = logits.shape

    def plan(shifts: np.ndarray) -> np.ndarray:
        beta = np.append(shifts[samples:], 0.0)
        return expit(logits + shifts[:samples, None] + beta)

    def violation(shifts: np.ndarray) -> np.ndarray:
        p = plan(shifts)
        return np.concatenate([p.sum(1) - assigned, p.sum(0)[:-1] - samples * assigned / anchors])

    found = root(violation, np.zeros(samples + anchors - 1), tol=1e-14)
    assert abs(found.fun).max() < 1e-11
    return plan(found.x)


PROBLEM = st.tuples(st.integers(2, 30), st.integers(2, 8), st.integers(0, 10**6), st.floats(0.0, 0.99))


@settings(max_examples=40, deadline=None)
@given(problem=PROBLEM, rate=st.floats(0.05, 1.0), approach=st.integers(0, 1))
def test_invariants(problem: tuple[int, int, int, float], rate: float, approach: int) -> None:
    samples, anchors, seed, factor = problem
    assigned = max(1, round(rate * anchors))
    function = BOTH[approach][0]
    scores = cosines(samples, anchors, seed).double()
    codes = function(scores, assigned, factor, epsilon=0.3, num_iterations=60)
    assert codes.min() >= 0
    assert codes.max() <= 1 + 1e-9
    torch.testing.assert_close(codes.sum(1), torch.full((samples,), float(assigned), dtype=torch.float64))
    share = torch.full((anchors,), samples * assigned / anchors, dtype=torch.float64)
    torch.testing.assert_close(codes.sum(0), share, atol=1e-6, rtol=1e-6)

    generator = torch.Generator().manual_seed(seed)
    shifts = torch.randn(samples, 1, generator=generator) + torch.randn(1, anchors, generator=generator)
    shifted = function(scores + shifts, assigned, factor, epsilon=0.3, num_iterations=60)
    torch.testing.assert_close(shifted, codes, atol=1e-6, rtol=0)
    scaled = function(3 * scores, assigned, factor, epsilon=0.9, num_iterations=60)
    torch.testing.assert_close(scaled, codes, atol=1e-9, rtol=0)
    rows, columns = (torch.randperm(n, generator=generator) for n in (samples, anchors))
    permuted = function(scores[rows][:, columns], assigned, factor, epsilon=0.3, num_iterations=60)
    torch.testing.assert_close(permuted, codes[rows][:, columns], atol=1e-9, rtol=0)


def test_random_features_converge_to_the_values_of_the_method_page() -> None:
    scores = cosines(500, 64, dim=128).double()
    deviations = []
    for iterations in (3, 10, 20):
        codes = damped_multi_sinkhorn(scores, 32, num_iterations=iterations)
        deviations.append(float((codes.sum(0) / 250 - 1).abs().max()))
    assert deviations[0] < 5e-2
    assert deviations[1] < 2e-6
    assert deviations[2] < 1e-12
    targets = min_max_targets(codes, 32)
    assert float((targets > 0.5).double().mean()) == pytest.approx(0.5, abs=0.01)
    chosen, largest = codes.topk(32).indices, scores.topk(32).indices
    agreement = (chosen[:, :, None] == largest[:, None]).any(2).double().mean()
    assert 0.95 < float(agreement) < 1


def test_small_epsilon_tends_to_the_best_balanced_choice() -> None:
    """Scores tend to those of the best choice, the solution of a linear programme."""
    scores = cosines(24, 6, seed=5).double()
    constraints = np.concatenate([np.kron(np.eye(24), np.ones(6)), np.kron(np.ones(24), np.eye(6))])
    sums = [3] * 24 + [12] * 6
    best = linprog(-scores.numpy().ravel(), A_eq=constraints, b_eq=sums, bounds=(0, 1))
    missing = [
        -best.fun
        - float((damped_multi_sinkhorn(scores, 3, epsilon=epsilon, num_iterations=2000) * scores).sum())
        for epsilon in (0.07, 0.02, 0.005)
    ]
    assert missing[0] > 3 * missing[1] > 9 * missing[2] > 0
    assert missing[2] < 0.01 * -best.fun


@pytest.mark.parametrize("denominator_eps", [0.0, 1e-5])
def test_equal_slices_give_even_codes(denominator_eps: float) -> None:
    scores = cosines(9, 4)
    rest = {"denominator_eps": denominator_eps}
    for codes, expected in (
        (damped_multi_sinkhorn(scores, 4, **rest), 1.0),
        (damped_multi_sinkhorn(scores, 3, damping=1.0, **rest), 0.75),
        (graded_multi_sinkhorn(scores, 4, **rest), 1.0),
        (graded_multi_sinkhorn(scores, 1, range_factor=1.0, **rest), 0.25),
    ):
        assert torch.equal(codes, torch.full((9, 4), expected))
        assert torch.equal(min_max_targets(codes, round(4 * expected)), codes)
    scores = torch.full((9, 4), 0.3)
    torch.testing.assert_close(damped_multi_sinkhorn(scores, 1), torch.full((9, 4), 0.25))


@pytest.mark.parametrize("options", [PAPER, CODE])
@pytest.mark.parametrize("function", [damped_multi_sinkhorn, graded_multi_sinkhorn])
def test_leading_dimensions_are_separate_problems(function: Any, options: dict[str, Any]) -> None:
    scores = torch.stack([cosines(30, 8, seed=seed) for seed in range(6)]).view(2, 3, 30, 8)
    codes = function(scores, 4, **options)
    for a in range(2):
        for b in range(3):
            alone = function(scores[a, b], 4, **options)
            torch.testing.assert_close(codes[a, b], alone, atol=1e-7, rtol=0)
    assert function(scores[:0], 4, **options).shape == (0, 3, 30, 8)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_and_autocast_do_not_reach_the_arithmetic(dtype: torch.dtype) -> None:
    scores = cosines(20, 6).to(dtype).requires_grad_()
    expected = damped_multi_sinkhorn(scores.detach().float(), 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        codes = damped_multi_sinkhorn(scores, 3)
    assert not codes.requires_grad
    assert codes.dtype == torch.float32
    assert torch.equal(codes, expected)
    assert torch.equal(damped_multi_sinkhorn(scores.detach().float().t().contiguous().t(), 3), expected)


def test_scores_are_left_as_they_were() -> None:
    scores = cosines(20, 6).double()
    before = scores.clone()
    damped_multi_sinkhorn(scores, 3)
    graded_multi_sinkhorn(scores, 3)
    assert torch.equal(scores, before)


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        (torch.zeros(4), {}, "shape"),
        (torch.zeros(()), {}, "shape"),
        (torch.zeros(4, 3, dtype=torch.int64), {}, "floating point"),
        (torch.zeros(4, 3), {"num_assigned": 0}, "num_assigned is 0, expected 1 to 3"),
        (torch.zeros(4, 3), {"num_assigned": 4}, "num_assigned is 4"),
        (torch.zeros(4, 3), {"epsilon": 0.0}, "epsilon is 0.0"),
        (torch.zeros(4, 3), {"num_iterations": 0}, "num_iterations is 0"),
        (torch.zeros(4, 3), {"order": "reference"}, "order is 'reference', expected 'paper' or 'code'"),
        (torch.zeros(4, 3), {"denominator_eps": -1.0}, "denominator_eps"),
        (torch.zeros(0, 3), {}, "no rows"),
        (torch.full((4, 3), torch.inf), {}, "4 of 4 rows"),
        (torch.tensor([[0.0, torch.nan], [0.0, 1.0]]), {}, "1 of 2 rows"),
    ],
)
@pytest.mark.parametrize("function", [damped_multi_sinkhorn, graded_multi_sinkhorn])
def test_errors(function: Any, scores: Tensor, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(scores, **{"num_assigned": 1, **options})


def test_weights_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"damping is 1\.5"):
        damped_multi_sinkhorn(torch.zeros(4, 3), 1, damping=1.5)
    with pytest.raises(ValueError, match=r"range_factor is -0\.1"):
        graded_multi_sinkhorn(torch.zeros(4, 3), 1, range_factor=-0.1)


def test_classes_hold_the_settings() -> None:
    scores = cosines(20, 7)
    damped = DampedMultiSinkhorn(0.5, damping=0.4, epsilon=0.1, num_iterations=5, **CODE)
    assert [damped.num_assigned(k) for k in (64, 63, 7)] == [32, 31, 3]
    expected = damped_multi_sinkhorn(scores, 3, damping=0.4, epsilon=0.1, num_iterations=5, **CODE)
    assert torch.equal(damped(scores), expected)
    graded = GradedMultiSinkhorn(0.3, range_factor=0.2, epsilon=0.1, num_iterations=5)
    expected = graded_multi_sinkhorn(scores, 2, range_factor=0.2, epsilon=0.1, num_iterations=5)
    assert torch.equal(graded(scores), expected)
    with pytest.raises(ValueError, match="fraction is 0"):
        DampedMultiSinkhorn(0.0)
    with pytest.raises(ValueError, match="less than one"):
        DampedMultiSinkhorn(0.1)(scores)


def test_targets() -> None:
    codes = torch.tensor([[0.2, 0.4, 0.8], [0.5, 0.5, 0.500004], [-0.1, 1.1, 0.5]])
    expected = torch.tensor([[0, 1 / 3, 1], [1 / 3, 1 / 3, 1 / 3], [0, 1, 0.5]])
    torch.testing.assert_close(min_max_targets(codes, 1), expected)
    assert raw_targets(codes)[2].tolist() == pytest.approx([0, 1, 0.5])
    assert min_max_targets(codes[:0], 1).shape == (0, 3)
