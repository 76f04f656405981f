"""State of a module that one step can break: weights, queues, statistics of batch normalisation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from unlabelled.contracts import HasQueues


def running_statistics(module: nn.Module) -> dict[str, Tensor]:
    """Return the running means and variances of all layers of batch normalisation, by name."""
    return {
        f"{name}.{key}": value
        for name, part in module.named_modules()
        if isinstance(part, _BatchNorm)
        for key, value in part.named_buffers()
        if value.is_floating_point()
    }


def not_finite(module: nn.Module) -> str | None:
    """Return the name of a weight, running statistic or queue that is not finite, or None."""
    named: dict[str, Any] = {**dict(module.named_parameters()), **running_statistics(module)}
    if isinstance(module, HasQueues):
        named |= {f"queues.{name}.rows": queue.rows for name, queue in module.queues.items()}
    values = [value.detach() for value in named.values()]
    if not values:
        return None
    finite = torch.stack([norm.float() for norm in torch._foreach_norm(values, torch.inf)]).isfinite()
    return next((name for name, is_finite in zip(named, finite.tolist(), strict=True) if not is_finite), None)


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
