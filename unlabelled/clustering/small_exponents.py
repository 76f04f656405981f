"""exp and log in place, where numbers too small for exp keep their exponents.

float32 holds exp(x) above x = -87. Below x = -76 (float64: -693), the result here is not exp(x) but a number
below exp(-76) whose bits hold x itself, to its full precision, so ``log_`` gets it back. As an addend to
numbers near 1 it is as good as exp(x): both are 0.

The bits of ``1 - 76 - x``, a number from 1 to 2^16, are subtracted from those of 2^-110, so that the code
falls with x and is a normal number, 2^-126 at least. All entries take the same operations, without branches:
the code of an x above -76 is 2^-110 and the exponential of an x below is 2^-110, and they are multiplied.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class _Format(NamedTuple):
    """A number format, the integers of its width, and the powers of 2 between which the codes are."""

    bits: torch.dtype
    largest_code: float
    smallest_code: float

    @property
    def floor(self) -> float:
        """Smallest x whose exponential is held as such."""
        return math.log(self.largest_code)

    @property
    def largest_depth(self) -> float:
        """Largest ``1 + floor - x`` that has a code."""
        return self.largest_code / self.smallest_code * (1 - 2**-20)


_FORMATS = {
    torch.float32: _Format(torch.int32, 2.0**-110, 2.0**-126),
    torch.float64: _Format(torch.int64, 2.0**-1000, 2.0**-1022),
}


def smallest_exponent(dtype: torch.dtype) -> float:
    """Return the smallest x whose exponential ``exp_`` holds as such: -76 in float32, -693 in float64."""
    return _FORMATS[dtype].floor


def exp_(values: Tensor) -> Tensor:
    """Return ``exp(values)``, written over the values; ``log_`` is its inverse.

    Args:
        values: float32 or float64, at most 0. Those below -65 000 (float64: -4 million) count as that.
    """
    form = _FORMATS[values.dtype]
    depths = torch.rsub(values, 1 + form.floor).clamp_(1, form.largest_depth)
    codes = _mirror_(depths, form)
    values.clamp_(min=form.floor - 1e-3).exp_().clamp_(min=form.largest_code)  # below the floor: exactly that
    return values.mul_(codes.mul_(1 / form.largest_code))


def log_(values: Tensor) -> Tensor:
    """Return the exponents of the result of ``exp_``, written over it."""
    form = _FORMATS[values.dtype]
    depths = _mirror_(values.clamp(max=form.largest_code), form)
    return values.clamp_(min=form.largest_code).log_().sub_(depths.sub_(1))


def _mirror_(values: Tensor, form: _Format) -> Tensor:
    """Replace bits by those of 1 and of the largest code minus themselves: depths by codes and back."""
    ends = torch.tensor([1.0, form.largest_code], dtype=values.dtype).view(form.bits)
    values.view(form.bits).neg_().add_(int(ends.sum()))
    return values
