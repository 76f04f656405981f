"""Interfaces of all methods."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import nn

from unlabelled.batch import Batch, Features


@runtime_checkable
class Embeds(Protocol):
    """A method that maps a batch to features, for evaluation, export and probes; every method does."""

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}``."""
        ...


@runtime_checkable
class HasEncoders(Protocol):
    """A method with encoders, for export and for protocols on feature maps; every method has them.

    Attributes:
        encoders: Encoders by modality.
    """

    encoders: nn.ModuleDict
