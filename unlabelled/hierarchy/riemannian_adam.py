"""Adam for points of the Poincaré ball.

Source: Bécigneul and Ganea 2019 (arXiv:1810.00760); HazyResearch/HypHC, optim/radam.py, without its step
counter, which all parameters share and which counts each of them twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn

from unlabelled.hierarchy.poincare import Curvature, conformal_factor, exp_at, project


class RiemannianAdam(torch.optim.Optimizer):
    """Moves points along geodesics; a point has one second moment, so that a rotation of all changes nothing.

    Args:
        params: Points ``(..., D)`` in the ball.
        lr: Length of a step, as a distance in the ball.
        betas: Decay of the first and of the second moment per step.
        eps: Added to the root of the second moment.
        curvature: c of the ball.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        curvature: float = 1.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "curvature": curvature})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step; ``closure`` computes the loss again."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for points in group["params"]:
                if points.grad is not None:
                    _move(points, points.grad, self.state[points], group)
        return loss


def transport(x: Tensor, y: Tensor, v: Tensor, c: Curvature = 1.0) -> Tensor:
    """Return tangent vectors ``v (..., D)`` at x transported in parallel along the geodesic to y."""
    factors = conformal_factor(x, c) / conformal_factor(y, c)
    return _gyration(y, -x, v, c) * factors.unsqueeze(-1)


def _move(points: nn.Parameter, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    first_decay, second_decay = group["betas"]
    c = group["curvature"]
    if not state:
        state["step"] = 0
        state["first"] = torch.zeros_like(points)
        state["second"] = torch.zeros_like(points[..., :1])
    state["step"] += 1
    factors = conformal_factor(points, c).unsqueeze(-1)
    steepest = gradient / factors.square()
    squares = (factors * steepest).square().sum(-1, keepdim=True)
    first = first_decay * state["first"] + (1 - first_decay) * steepest
    state["second"].mul_(second_decay).add_((1 - second_decay) * squares)
    scale = (state["second"] / (1 - second_decay ** state["step"])).sqrt() + group["eps"]
    direction = first / (1 - first_decay ** state["step"]) / scale
    moved = project(exp_at(points, -group["lr"] * direction, c), c)
    state["first"] = transport(points, moved, first, c)
    points.copy_(moved)


def _gyration(u: Tensor, v: Tensor, w: Tensor, c: Curvature) -> Tensor:
    """Return ``-(u (+) v) (+) (u (+) (v (+) w))`` in closed form, which is linear in w."""
    uu, vv, uv, uw, vw = (_dot(a, b) for a, b in ((u, u), (v, v), (u, v), (u, w), (v, w)))
    along_u = c * vw + c**2 * (2 * uv * vw - uw * vv)
    along_v = -c * uw - c**2 * vw * uu
    return w + 2 * (along_u * u + along_v * v) / (1 + 2 * c * uv + c**2 * uu * vv)


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum(-1, keepdim=True)
