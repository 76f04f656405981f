"""Inputs of a case: the same numbers on any device and in any precision."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)
Case = Callable[["Inputs"], Any]
Cases = dict[str, Case]


class Inputs:
    """Draw tensors for a case, one after the other.

    Args:
        name: Seeds the numbers, which are drawn on the processor in float32.
        device: Where the tensors are.
        dtype: Of floating-point tensors: float64 for the reference.

    Attributes:
        leaves: The tensors that have a gradient.
    """

    def __init__(self, name: str, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype, self.leaves = device, dtype, list[Tensor]()
        self._generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))

    def normal(self, *shape: int, scale: float = 1.0) -> Tensor:
        """Return normal numbers."""
        return self._placed(torch.randn(shape, generator=self._generator) * scale)

    def uniform(self, *shape: int) -> Tensor:
        """Return numbers from 0 to 1."""
        return self._placed(torch.rand(shape, generator=self._generator))

    def unit(self, *shape: int) -> Tensor:
        """Return rows of norm 1."""
        return self._placed(F.normalize(torch.randn(shape, generator=self._generator), dim=-1))

    def learned(self, values: Tensor) -> Tensor:
        """Return ``values`` as a leaf whose gradient is compared as well."""
        self.leaves.append(values.requires_grad_())
        return values

    def integers(self, high: int, *shape: int) -> Tensor:
        """Return integers from 0 to below ``high``."""
        return self._on_device(torch.randint(high, shape, generator=self._generator))

    def mask(self, *shape: int) -> Tensor:
        """Return booleans, of which the first is true and about a third false."""
        mask = torch.rand(shape, generator=self._generator) < 0.7
        mask[0] = True
        return self._on_device(mask)

    def groups(self, rows: int, dim: int, number: int) -> Tensor:
        """Return ``(rows, dim)``, in groups so far apart that any precision separates them."""
        centres = torch.randn(number, dim, generator=self._generator) * 8
        noise = torch.randn(rows, dim, generator=self._generator) * 0.1
        return self._placed(centres[torch.arange(rows) % number] + noise)

    def network(self, build: Callable[[], nn.Module]) -> nn.Module:
        """Return a network with weights of the same numbers; their gradients are compared as well."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(1 << 31, (), generator=self._generator)))
            built = build()
        network = self.placed(built)
        self.leaves += [each for each in network.parameters() if each.requires_grad]
        return network

    def placed(self, module: Module) -> Module:
        """Return a module on the device."""
        return module.to(self.device, self.dtype)

    def _placed(self, values: Tensor) -> Tensor:
        return self._on_device(values.to(self.dtype))

    def _on_device(self, values: Tensor) -> Tensor:
        return values.to(self.device)


def numbers_of(result: Any) -> Iterator[Tensor]:
    """Yield the tensors of a result, in order; scalars as tensors."""
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, bool | int | float):
        yield torch.tensor(result)
    elif isinstance(result, Mapping):
        for key in sorted(result, key=str):
            yield from numbers_of(result[key])
    elif isinstance(result, Sequence) and not isinstance(result, str):
        for each in result:
            yield from numbers_of(each)
    elif result is not None and not isinstance(result, str):
        yield from numbers_of(vars(result))
