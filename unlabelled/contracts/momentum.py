"""Interfaces of methods with queues or target networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class HasQueues(Protocol):
    """A method with queues of embeddings of earlier steps, which :class:`callbacks.QueueUpdate` fills.

    ``training_step`` returns, beside the loss, ``keys``: ``{name: [(B, D), ...]}``, the rows to append to
    each queue after the step, one tensor per view.

    Attributes:
        queues: :class:`~unlabelled.nn.queue.FeatureQueue` by name.
    """

    queues: nn.ModuleDict


@runtime_checkable
class HasTarget(Protocol):
    """A method with a target network, the moving average of its online network.

    :class:`callbacks.TargetUpdate` updates it after each step.
    """

    def target_pairs(self) -> Sequence[tuple[nn.Module, nn.Module]]:
        """Return (online, target) networks of the same shape."""
        ...
