"""What every method offers."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import nn

from unlabelled.batch import Batch, Features


@runtime_checkable
class Embeds(Protocol):
    """Every method: features of a batch, for evaluation, export and probes."""

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}``."""
        ...


@runtime_checkable
class HasEncoders(Protocol):
    """Every method: its encoders by modality, which export and protocols on feature maps ask for."""

    encoders: nn.ModuleDict
