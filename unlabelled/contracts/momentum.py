"""What a method with a queue or a target network offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class HasQueues(Protocol):
    """A method that contrasts with what it saw before.

    ``training_step`` returns, beside the loss, ``keys``: ``{name: [(B, D), ...]}``, what each queue is to
    remember of this step, one tensor per view.

    Attributes:
        queues: :class:`~unlabelled.nn.queue.FeatureQueue` by name.
    """

    queues: nn.ModuleDict


@runtime_checkable
class HasTarget(Protocol):
    """A method with a target network that follows the online one slowly."""

    def target_pairs(self) -> Sequence[tuple[nn.Module, nn.Module]]:
        """Return (online, target) networks of the same shape."""
        ...
