"""A target network: the exponential moving average of an online one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn

Pairs = Iterable[tuple[nn.Module, nn.Module]]
"""(online, target) networks of the same shape."""


def make_target(online: nn.Module) -> nn.Module:
    """Return a copy that no optimiser will touch."""
    return deepcopy(online).requires_grad_(False)


def cosine_momentum(step: int, total_steps: int, start: float, end: float = 1.0) -> float:
    """Return the momentum of optimiser step ``step`` (from 0): ``start`` at the first, ``end`` at the last.

    Source: reference sce.md section 1.5; Grill et al. 2020 (arXiv:2006.07733).
    """
    progress = min(step / max(total_steps - 1, 1), 1.0)
    return end - (end - start) * (1 + math.cos(math.pi * progress)) / 2


@torch.no_grad()
def update_target(pairs: Pairs, momentum: float) -> None:
    """Move each target's parameters: ``target <- momentum * target + (1 - momentum) * online``.

    Buffers stay: the target runs in training mode and keeps BatchNorm statistics of its own.

    Source: SCE Eq. 2; reference sce.md section 1.5.
    """
    online, target = _parameters(pairs)
    torch._foreach_lerp_(target, online, 1 - momentum)


@torch.no_grad()
def copy_online(pairs: Pairs) -> None:
    """Make each target equal to its online network, buffers included."""
    for online, target in pairs:
        target.load_state_dict(online.state_dict())


def _parameters(pairs: Pairs) -> tuple[list[Tensor], list[Tensor]]:
    pairs = list(pairs)
    online: list[Tensor] = [parameter for pair in pairs for parameter in pair[0].parameters()]
    target: list[Tensor] = [parameter for pair in pairs for parameter in pair[1].parameters()]
    return online, target
