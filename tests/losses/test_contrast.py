"""Contrast: worked examples (docs/methods/sce.md#worked-examples), a plain version, and invariants."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unlabelled.losses import contrast, info_nce, relational, soft_contrastive, weighted_contrast


def _rows(*values: list[float]) -> Tensor:
    return F.normalize(torch.tensor(values, dtype=torch.float64), dim=1)


Z1 = _rows([1, 2, 0], [0, 1, -1])  # online, view 1
Z2 = _rows([1, 1, 0], [1, 1, -1])  # teacher, view 2
Y2 = _rows([2, 1, 1], [-1, 1, -2])  # online, view 2
Y1 = _rows([1, 3, 0], [0, 2, -1])  # teacher, view 1
QUEUE = _rows([1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 1, 0])


def _plain(
    query: Tensor, key: Tensor, queue: Tensor, tau: float, tau_m: float, coefficient: float, zero_logit: bool
) -> Tensor:
    """SCE as Algorithm 1 writes it, with the whole (N, M + 1) arrays."""
    logits = torch.cat([(query * key).sum(1, keepdim=True), query @ queue.T], 1) / tau
    relations = (key @ queue.T) / tau_m
    own = torch.full((len(query), 1), 0.0 if zero_logit else -torch.inf, dtype=query.dtype)
    target = (1 - coefficient) * torch.cat([own, relations], 1).softmax(1)
    target[:, 0] += coefficient
    return -(target * logits.log_softmax(1)).sum(1).mean()


def _random(seed: int, n: int, m: int, d: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((n, d), (n, d), (m, d))
    return [F.normalize(torch.randn(s, generator=generator, dtype=dtype), dim=1) for s in shapes]


@pytest.mark.parametrize(
    ("tau_m", "coefficient", "slot", "expected"),
    [
        (0.05, 0.0, "masked", 4.095924),
        (0.07, 0.0, "masked", 4.095935),
        (0.05, 0.125, "masked", 3.632920),
        (0.07, 0.125, "masked", 3.632930),
        (0.05, 0.5, "masked", 2.243909),
        (0.07, 0.5, "masked", 2.243915),
        (0.05, 1.0, "masked", 0.391895),
        (0.05, 0.5, "zero_logit", 2.243904),
        (0.07, 0.5, "zero_logit", 2.243749),
        (0.5, 0.5, "masked", 2.555875),
        (0.5, 0.5, "zero_logit", 2.330969),
    ],
)
def test_sce_of_the_worked_example(
    tau_m: float, coefficient: float, slot: contrast.PositiveSlot, expected: float
) -> None:
    out = soft_contrastive(Z1, Z2, QUEUE, 0.1, tau_m, coefficient, slot)
    assert float(out.loss) == pytest.approx(expected, abs=1e-6)


def test_the_terms_of_the_worked_example() -> None:
    assert float(info_nce(Z1, Z2, QUEUE, 0.1).loss) == pytest.approx(0.391895, abs=1e-6)
    assert float(info_nce(Z1, Z2, QUEUE, 0.2).loss) == pytest.approx(0.613909, abs=1e-6)
    assert float(info_nce(Z1, Z2, QUEUE, 0.1).ceiling) == pytest.approx(1.143124, abs=1e-6)
    for tau_m, expected in ((0.05, 2.952800), (0.07, 2.952811)):
        assert float(relational(Z1, Z2, QUEUE, 0.1, tau_m).loss) == pytest.approx(expected, abs=1e-6)
    without_ceiling = weighted_contrast(Z1, Z2, QUEUE, 0.1, 0.05, 0.5, 0.5, 0.0)
    assert float(without_ceiling.loss) == pytest.approx(1.672348, abs=1e-6)
    single = [float(info_nce(Z1[i : i + 1], Z2[i : i + 1], QUEUE, 0.1).loss) for i in range(2)]
    assert single == pytest.approx([0.463586, 0.320204], abs=1e-6)


def test_both_directions_of_the_worked_example() -> None:
    reverse = soft_contrastive(Y2, Y1, QUEUE, 0.1, 0.05).loss
    assert float(reverse) == pytest.approx(2.462501, abs=1e-6)
    both = torch.stack([reverse, soft_contrastive(Z1, Z2, QUEUE, 0.1, 0.05).loss]).mean()
    assert float(both) == pytest.approx(2.353205, abs=1e-6)


@pytest.mark.parametrize(
    ("coefficient", "with_queue", "expected"),
    [
        (0.0, False, 1.947894),
        (0.5, False, 1.129796),
        (1.0, False, 0.311698),
        (0.0, True, 3.489284),
        (0.5, True, 2.382343),
        (1.0, True, 1.275402),
    ],
)
def test_keys_of_the_batch_as_negatives(coefficient: float, with_queue: bool, expected: float) -> None:
    query, key = _rows([1, 2, 0], [0, 1, -1], [1, 0, 1]), _rows([1, 1, 0], [1, 1, -1], [0, 1, 1])
    bank = torch.cat([key, QUEUE]) if with_queue else key
    rest = 1 - coefficient
    out = weighted_contrast(query, key, bank, 0.1, 0.05, coefficient, rest, rest, own_rows=torch.arange(3))
    assert float(out.loss) == pytest.approx(expected, abs=1e-6)


def test_gradient_of_the_worked_example() -> None:
    query = Z1.clone().requires_grad_()
    soft_contrastive(query, Z2, QUEUE, 0.1, 0.05).loss.backward()
    slopes = torch.tensor(  # with respect to the logits [a, b]
        [
            [0.064512, -0.122912, 0.057813, 0.000024, 0.000563],
            [0.113000, -0.124896, -0.003427, 0.000000, 0.015323],
        ],
        dtype=torch.float64,
    )
    assert query.grad is not None
    torch.testing.assert_close(
        query.grad, (slopes[:, :1] * Z2 + slopes[:, 1:] @ QUEUE) / 0.1, atol=2e-5, rtol=0
    )


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 7),
    m=st.integers(1, 40),
    tau=st.floats(0.05, 1.0),
    tau_m=st.floats(0.02, 1.0),
    coefficient=st.floats(0, 1),
    zero_logit=st.booleans(),
)
def test_blocks_equal_the_plain_form(
    seed: int, n: int, m: int, tau: float, tau_m: float, coefficient: float, zero_logit: bool
) -> None:
    query, key, queue = _random(seed, n, m, 5)
    ours, theirs = query.clone().requires_grad_(), query.clone().requires_grad_()
    slot: contrast.PositiveSlot = "zero_logit" if zero_logit else "masked"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contrast, "_BUDGET", 2 * m)  # two rows a block
        out = soft_contrastive(ours, key, queue, tau, tau_m, coefficient, slot)
        out.loss.backward()
    plain = _plain(theirs, key, queue, tau, tau_m, coefficient, zero_logit)
    plain.backward()
    torch.testing.assert_close(out.loss, plain, atol=1e-10, rtol=1e-10)
    assert ours.grad is not None
    assert theirs.grad is not None
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("coefficient", [0.0, 0.125, 0.5, 1.0])
def test_proposition_1(coefficient: float) -> None:
    query, key, queue = _random(3, 6, 50, 8)
    out = soft_contrastive(query, key, queue, 0.1, 0.05, coefficient)
    nce, relation = info_nce(query, key, queue, 0.1), relational(query, key, queue, 0.1, 0.05)
    expected = coefficient * nce.loss + (1 - coefficient) * (relation.loss + nce.ceiling)
    assert abs(float(out.loss - expected)) < 1e-12


def test_the_zero_logit_breaks_proposition_1() -> None:
    query, key, queue = _random(3, 6, 50, 8)
    masked, leaking = (
        soft_contrastive(query, key, queue, 0.1, 0.5, 0.5, slot).loss for slot in ("masked", "zero_logit")
    )
    assert abs(float(masked - leaking)) > 1e-4


def test_lambda_one_is_info_nce_whatever_the_relations() -> None:
    query, key, queue = _random(1, 4, 30, 8)
    grads = []
    for loss in (
        lambda q: soft_contrastive(q, key, queue, 0.1, 0.01, 1.0).loss,
        lambda q: info_nce(q, key, queue, 0.1).loss,
    ):
        q = query.clone().requires_grad_()
        value = loss(q)
        value.backward()
        grads.append((value.detach(), q.grad))
    assert torch.equal(grads[0][0], grads[1][0])
    assert torch.equal(grads[0][1], grads[1][1])


def test_lambda_zero_is_not_ressl() -> None:
    query, key, queue = _random(2, 4, 30, 8)
    sce, ressl = soft_contrastive(query, key, queue, 0.1, 0.05, 0.0), relational(query, key, queue, 0.1, 0.05)
    torch.testing.assert_close(sce.loss, ressl.loss + ressl.ceiling)
    assert float(ressl.ceiling) > 1e-3


@pytest.mark.parametrize("weights", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.3, 0.6, 0.2), (0.0, 0.0, 1.0)])
@pytest.mark.parametrize("slot", ["masked", "zero_logit"])
def test_gradcheck(weights: tuple[float, float, float], slot: contrast.PositiveSlot) -> None:
    query, key, queue = _random(5, 3, 9, 4)
    assert torch.autograd.gradcheck(
        lambda q: weighted_contrast(q, key, queue, 0.3, 0.2, *weights, slot).loss, query.requires_grad_()
    )


def test_only_the_query_gets_a_gradient() -> None:
    inputs = [tensor.requires_grad_() for tensor in _random(6, 3, 9, 4)]
    soft_contrastive(*inputs).loss.backward()
    assert inputs[0].grad is not None
    assert inputs[1].grad is None
    assert inputs[2].grad is None


def test_the_positive_is_pulled_until_its_probability_is_lambda() -> None:
    key, queue = torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0], [-1.0, 0.0]])
    angle = torch.tensor([1.3], requires_grad=True)
    for _ in range(300):
        query = torch.stack([angle.cos(), angle.sin()], 1)
        (slope,) = torch.autograd.grad(soft_contrastive(query, key, queue, 0.5, 0.5, 0.3).loss, angle)
        angle = (angle - 0.05 * slope).detach().requires_grad_()
    nce = info_nce(torch.stack([angle.cos(), angle.sin()], 1), key, queue, 0.5).info_nce
    assert math.exp(-float(nce.detach())) == pytest.approx(0.3, abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_what_must_not_change_the_loss(seed: int) -> None:
    query, key, queue = _random(seed, 5, 20, 6)
    expected = soft_contrastive(query, key, queue).loss
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(20, generator=generator)
    rotation, _ = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64))
    torch.testing.assert_close(soft_contrastive(query, key, queue[order]).loss, expected)
    rotated = soft_contrastive(query @ rotation, key @ rotation, queue @ rotation).loss
    torch.testing.assert_close(rotated, expected)
    first, rest = (soft_contrastive(query[p], key[p], queue).loss for p in (slice(2), slice(2, 5)))
    torch.testing.assert_close((2 * first + 3 * rest) / 5, expected)


def test_bounds() -> None:
    query, key, queue = _random(9, 16, 64, 8)
    out = soft_contrastive(query, key, queue, 0.1, 0.07, 0.5)
    assert out.relational is not None
    assert out.relation_entropy is not None
    entropy = math.log(2) + 0.5 * out.relation_entropy  # H(w) = H_b(1/2) + (1 - lambda) H(s)
    assert float(out.loss) > float(entropy)
    assert min(float(out.info_nce), float(out.ceiling)) >= 0
    assert float(out.relational) >= float(out.relation_entropy)
    for tau_m, expected in ((1e-4, 0.0), (1e4, math.log(64))):
        found = soft_contrastive(query, key, queue, 0.1, tau_m).relation_entropy
        assert found is not None
        assert float(found) == pytest.approx(expected, abs=1e-6)


def test_magnitude_at_random_initialisation() -> None:
    query, key, queue = _random(0, 64, 65536, 256, torch.float32)
    assert float(info_nce(query, key, queue, 0.1).loss) == pytest.approx(11.286, abs=0.25)
    out = soft_contrastive(key, key, queue, 0.1, 0.05)
    assert float(out.info_nce) == pytest.approx(1.530, abs=0.02)
    assert float(out.loss) == pytest.approx(6.141, abs=0.02)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_does_not_reach_the_arithmetic(dtype: torch.dtype) -> None:
    query, key, queue = _random(4, 16, 512, 64, torch.float32)
    expected = soft_contrastive(query, key, queue).loss
    with torch.autocast("cpu", dtype=dtype):
        assert torch.equal(soft_contrastive(query, key, queue).loss, expected)
    half = query.to(dtype).requires_grad_()
    out = soft_contrastive(half, key.to(dtype), queue).loss
    out.backward()
    assert out.dtype == torch.float32
    assert half.grad is not None
    assert half.grad.dtype == dtype


def test_float32_is_close_to_float64() -> None:
    query, key, queue = _random(7, 32, 2048, 128)
    exact = soft_contrastive(query, key, queue, 0.1, 0.03).loss
    single = soft_contrastive(query.float(), key.float(), queue.float(), 0.1, 0.03).loss
    assert float(single) == pytest.approx(float(exact), abs=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"temperature=0.0 .* must be positive"):
        info_nce(Z1, Z2, QUEUE, 0.0)
    with pytest.raises(ValueError, match=r"expected query and key \(N, D\) and queue \(M, D\), got \(2, 3\)"):
        info_nce(Z1, Z2, QUEUE[:, :2])
