"""Target network: the exponential moving average of an online network."""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn

Pairs = Iterable[tuple[nn.Module, nn.Module]]
"""(online, target) networks of the same shape."""


def make_target(online: nn.Module) -> nn.Module:
    """Return a copy of ``online`` whose parameters have no gradient."""
    return deepcopy(online).requires_grad_(False)


def cosine_momentum(step: int, total_steps: int, start: float, end: float = 1.0) -> float:
    """Return the momentum of optimiser step ``step`` (from 0): ``start`` at the first, ``end`` at the last.

    Source: Grill et al. 2020 (BYOL, arXiv:2006.07733); SCE appendix D.1;
    docs/methods/sce.md#queue-and-target-network.
    """
    progress = min(step / max(total_steps - 1, 1), 1.0)
    return end - (end - start) * (1 + math.cos(math.pi * progress)) / 2


@torch.no_grad()
def update_target(pairs: Pairs, momentum: float) -> None:
    """Move the parameters of each target: ``target <- momentum * target + (1 - momentum) * online``.

    Buffers do not change: the target runs in training mode and has its own BatchNorm statistics.

    Source: SCE Eq. 2; docs/methods/sce.md#queue-and-target-network.

    Example:
        >>> online, target = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        >>> _ = online.weight.data.fill_(4.0), target.weight.data.fill_(0.0)
        >>> update_target([(online, target)], momentum=0.75)
        >>> target.weight.item()
        1.0
    """
    pairs = list(pairs)
    online: list[Tensor] = [parameter for pair in pairs for parameter in pair[0].parameters()]
    target: list[Tensor] = [parameter for pair in pairs for parameter in pair[1].parameters()]
    torch._foreach_lerp_(target, online, 1 - momentum)


@torch.no_grad()
def copy_online(pairs: Pairs) -> None:
    """Copy each online network to its target, buffers included."""
    for online, target in pairs:
        target.load_state_dict(online.state_dict())
