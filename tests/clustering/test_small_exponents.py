from __future__ import annotations

import pytest
import torch

from unlabelled.clustering.small_exponents import exp_, log_, smallest_exponent

FLOORS = {torch.float32: -76.0, torch.float64: -693.0}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exponents_of_any_size_are_restored(dtype: torch.dtype) -> None:
    floor = smallest_exponent(dtype)
    assert floor == pytest.approx(FLOORS[dtype], abs=0.3)
    around = floor + torch.linspace(-2, 2, 4001, dtype=torch.float64)
    x = torch.cat([-torch.logspace(-9, 4.8, 5000, dtype=torch.float64), around, torch.zeros(1)]).to(dtype)
    held = exp_(x.clone())
    above = x > floor + 1e-3
    torch.testing.assert_close(held[above], x[above].exp(), rtol=1e-6, atol=0)
    restored = log_(held.clone())
    digits = 8 * torch.finfo(dtype).eps
    torch.testing.assert_close(restored, x, rtol=digits, atol=digits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_order_is_kept_and_small_numbers_have_no_weight(dtype: torch.dtype) -> None:
    x = -torch.logspace(-3, 4.8, 5000, dtype=torch.float64).to(dtype)
    held = exp_(x.clone())
    assert bool((held[1:] <= held[:-1]).all())
    small = held[x < smallest_exponent(dtype)]
    assert float(small.max()) <= torch.tensor(smallest_exponent(dtype), dtype=dtype).exp() * 1.001
    assert float(small.min()) >= torch.finfo(dtype).tiny, "subnormal numbers are slow"


def test_exponents_beyond_all_codes_count_as_the_smallest() -> None:
    x = torch.tensor([-7e4, -1e30, -torch.inf])
    restored = log_(exp_(x.clone()))
    assert bool((restored == restored[0]).all())
    assert -66_000 < float(restored[0]) < -65_000
