"""Encoders as they were pre-trained, for protocols that train nothing: k-NN, retrieval, SVM, export."""

from __future__ import annotations

from typing import NoReturn

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import nn

from lightning_modules.base import BaseModule
from unlabelled.batch import Batch, Features
from unlabelled.encoders import Encoder


class Pretrained(BaseModule):
    """Encoders of a checkpoint of any method, in evaluation mode.

    Args:
        encoders: One per modality, as the checkpoint has them; it may have more.
        encoder_checkpoint: The run to judge; ``null``: random weights, the baseline to beat.
    """

    def __init__(self, encoders: list[Encoder], encoder_checkpoint: str | None = None) -> None:
        super().__init__(torch.optim.SGD, encoder_checkpoint=encoder_checkpoint)
        self.encoders = nn.ModuleDict({encoder.modality: encoder for encoder in encoders})
        self.requires_grad_(False)

    def setup(self, stage: str) -> None:
        """Load the encoders, whatever is to be done with them.

        Raises:
            MisconfigurationException: They are to be trained.
        """
        if stage == "fit":
            raise MisconfigurationException(
                "Pretrained trains nothing: use `validate`, `test` or `predict`, or a model that learns, "
                "such as LinearProbe"
            )
        super().setup(stage)

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}`` of the modalities that the batch has."""
        return {name: encoder(batch[name]) for name, encoder in self.encoders.items() if name in batch}

    def training_step(self, batch: Batch, batch_idx: int) -> NoReturn:
        """Never happen: :meth:`setup` refuses."""
        raise NotImplementedError
