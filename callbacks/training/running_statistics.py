"""Running statistics of batch normalisation, taken back after a step that is left out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def running_statistics(module: nn.Module) -> dict[str, Tensor]:
    """Return the running means and variances of all layers of batch normalisation, by name."""
    return {
        f"{name}.{key}": value
        for name, part in module.named_modules()
        if isinstance(part, _BatchNorm)
        for key, value in part.named_buffers()
        if value.is_floating_point()
    }


class KeptStatistics:
    """A copy of the running statistics before a step, on their device."""

    def __init__(self) -> None:
        self._before: list[Tensor] = []

    @torch.no_grad()
    def keep(self, module: nn.Module) -> None:
        """Copy the statistics."""
        current = list(running_statistics(module).values())
        if len(self._before) != len(current):
            self._before = [value.clone() for value in current]
        elif current:
            torch._foreach_copy_(self._before, current)

    @torch.no_grad()
    def restore(self, module: nn.Module, if_true: Tensor) -> None:
        """Write the copies back if ``if_true``, boolean ``()``, is; it is not read on the host."""
        for value, before in zip(running_statistics(module).values(), self._before, strict=True):
            value.copy_(torch.where(if_true, before, value))
