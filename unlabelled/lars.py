"""LARS, an optimiser for large batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from pytorch_optimizer.optimizer.lars import LARS as _LARS
from torch.optim.optimizer import ParamsT


class LARS(_LARS):
    """SGD whose step is scaled, parameter by parameter, to the parameter's norm.

    Weights and kernels (two dimensions or more): ``g' = g + weight_decay * p``, then
    ``g'' = trust_coefficient * |p| / |g'| * g'`` (``g'`` if one norm is zero). Biases and the scales and
    shifts of normalisations (one dimension or none) have neither decay nor scaling: ``g'' = g``. Then
    ``buffer = momentum * buffer + g''`` and ``p -= lr * buffer``. ``step`` overwrites the gradients.

    The library's own decay enters the ratio as ``|g| + weight_decay * |p|``, the published one as
    ``|g + weight_decay * p|``: the decay is added here, before the library's step.

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate; it multiplies the buffer, not the gradient.
        momentum: Share of the buffer that is kept.
        weight_decay: Coupled (L2) decay.
        trust_coefficient: Norm of a step with ``lr`` 1 and without momentum, as a share of the parameter's
            norm.

    Raises:
        ValueError: A value is out of range (the library's ``NegativeLRError`` for ``lr``).

    Source: You et al. 2017 (arXiv:1708.03888), as in juliendenize/eztorch, eztorch/optimizers/lars.py;
    docs/methods/sce.md#optimiser-and-schedule.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float = 1e-3,
    ) -> None:
        super().__init__(
            params, lr=lr, momentum=momentum, weight_decay=weight_decay, trust_coefficient=trust_coefficient
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Change the parameters once, after ``closure``, if given, has computed loss and gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with self._decay_added():
            super().step()
        return loss

    @contextmanager
    def _decay_added(self) -> Iterator[None]:
        """Add each group's decay to its gradients, and set it to 0 for the library's step."""
        decays = [group["weight_decay"] for group in self.param_groups]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and parameter.ndim > 1:
                    parameter.grad.add_(parameter, alpha=group["weight_decay"])
            group["weight_decay"] = 0.0
        try:
            yield
        finally:
            for group, decay in zip(self.param_groups, decays, strict=True):
                group["weight_decay"] = decay
