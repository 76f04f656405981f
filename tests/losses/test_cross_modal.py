"""Losses of pairs of modalities: worked examples (docs/methods/sspc.md#worked-examples), plain versions."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.losses import (
    MaskedMarginSoftmax,
    SymmetricNCE,
    masked_margin_softmax,
    symmetric_nce,
    weighted_pairs,
)

FIRST = torch.tensor([[1, 0], [0.6, 0.8], [0, 1]], dtype=torch.float64)
SECOND = torch.tensor([[0.8, 0.6], [1, 0], [0.6, -0.8]], dtype=torch.float64)
ALL = torch.ones(3, dtype=torch.bool)


def plain(logits: Tensor) -> Tensor:
    return -(logits.log_softmax(1).diag().mean() + logits.log_softmax(0).diag().mean())


def features(seed: int, rows: int = 7, dim: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, dim, generator=generator), torch.randn(rows, dim, generator=generator)


@pytest.mark.parametrize(("temperature", "expected"), [(0.05, 26.153413), (0.5, 3.605203)])
def test_nce_of_the_worked_example(temperature: float, expected: float) -> None:
    assert float(symmetric_nce(FIRST, SECOND, ALL, temperature)) == pytest.approx(expected, abs=1e-6)
    assert float(SymmetricNCE(temperature)(3 * FIRST, SECOND / 7, ALL)) == pytest.approx(expected, abs=1e-6)


def test_margin_softmax_of_the_worked_example() -> None:
    assert float(masked_margin_softmax(FIRST, SECOND, ALL)) == pytest.approx(2.754633, abs=1e-6)
    assert float(MaskedMarginSoftmax()(FIRST, SECOND, ALL)) == pytest.approx(2.754633, abs=1e-6)


def test_nce_at_its_ends() -> None:
    aligned = torch.eye(16, dtype=torch.float64)
    valid = torch.ones(16, dtype=torch.bool)
    expected = 2 * math.log1p(15 * math.exp(-20))
    assert float(symmetric_nce(aligned, aligned, valid)) == pytest.approx(expected, rel=1e-6)
    same = torch.ones(16, 3)
    assert float(symmetric_nce(same, same, valid)) == pytest.approx(2 * math.log(16), rel=1e-6)


@pytest.mark.parametrize("margin", [0.0, 0.001, 0.7])
def test_margin_softmax_by_hand(margin: float) -> None:
    first, second = features(0)
    logits = first @ second.T - margin * torch.eye(7)
    found = masked_margin_softmax(first, second, torch.ones(7, dtype=torch.bool), margin)
    torch.testing.assert_close(found, plain(logits))


def test_rows_that_lack_one_are_neither_positives_nor_negatives() -> None:
    first, second = (one.requires_grad_() for one in features(1))
    valid = torch.tensor([True, False, True, True, False, False, True])
    loss = symmetric_nce(first, second, valid, 0.1)
    units = (F.normalize(one[valid], dim=1) for one in (first, second))
    expected = plain(next(units) @ next(units).T / 0.1)
    torch.testing.assert_close(loss, expected)
    found, wanted = (torch.autograd.grad(one, (first, second)) for one in (loss, expected))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)
        assert not one[~valid].any()


@pytest.mark.parametrize("loss", [SymmetricNCE(), MaskedMarginSoftmax()])
def test_rows_that_do_not_count_may_hold_nan(loss: SymmetricNCE | MaskedMarginSoftmax) -> None:
    first, second = features(1)
    valid = torch.tensor([True, False, True, True, False, False, True])
    expected = loss(first, second, valid)
    first[~valid] = torch.nan
    value = loss(first.requires_grad_(), second.requires_grad_(), valid)
    torch.testing.assert_close(value, expected)
    for gradient in torch.autograd.grad(value, (first, second)):
        assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("loss", [SymmetricNCE(), MaskedMarginSoftmax()])
def test_no_valid_row_gives_zero_with_a_gradient(loss: SymmetricNCE | MaskedMarginSoftmax) -> None:
    first, second = (one.requires_grad_() for one in features(2))
    value = loss(first, second, torch.zeros(7, dtype=torch.bool))
    value.backward()
    assert value.item() == 0
    assert torch.equal(first.grad, torch.zeros_like(first))
    assert torch.equal(second.grad, torch.zeros_like(second))


def test_half_precision_is_left() -> None:
    first, second = (one.bfloat16() for one in features(3))
    valid = torch.ones(7, dtype=torch.bool)
    for loss in (SymmetricNCE(), MaskedMarginSoftmax()):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = loss(first, second, valid)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, loss(first.float(), second.float(), valid))


def test_weighted_pairs() -> None:
    losses = {name: torch.tensor(value) for name, value in (("tv", 2.0), ("ta", 3.0), ("va", 4.0))}
    weights = {"tv": 1, "ta": 0.1, "va": 0.1, "t-va": 0.1}
    assert float(weighted_pairs(losses, weights)) == pytest.approx(2.25)
    assert float(weighted_pairs(losses, {**weights, "tv": 0.0})) == pytest.approx(3.5)
    losses["tv"] = torch.tensor(math.nan)  # without a weight it is not looked at
    assert float(weighted_pairs(losses, {"ta": 2.0})) == pytest.approx(3.0)
    with pytest.raises(ValueError, match="none has both"):
        weighted_pairs(losses, {"t-va": 1.0, "tv": 0.0})


def test_errors() -> None:
    first, second = features(4)
    valid = torch.ones(7, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"temperature is 0\.0"):
        SymmetricNCE(0.0)
    with pytest.raises(ValueError, match="temperature is -1"):
        symmetric_nce(first, second, valid, -1)
    for wrong in ((first[:6], second, valid), (first, second[:, :4], valid), (first, second, valid[:6])):
        with pytest.raises(ValueError, match="expected first and second"):
            masked_margin_softmax(*wrong)
