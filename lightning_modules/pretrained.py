"""Pre-trained encoders, for protocols that do not train: k-NN, retrieval, SVM, export."""

from __future__ import annotations

from typing import NoReturn

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import nn

from lightning_modules.base import BaseModule
from unlabelled.batch import Batch, Features
from unlabelled.encoders import Encoder


class Pretrained(BaseModule):
    """The encoders of a checkpoint of any method, without gradients.

    Args:
        encoders: One per modality, as in the checkpoint, which may have further ones.
        encoder_checkpoint: The file to evaluate, or one for each modality; ``null``: random weights, as a
            baseline.
    """

    def __init__(
        self, encoders: list[Encoder], encoder_checkpoint: str | dict[str, str] | None = None
    ) -> None:
        super().__init__(torch.optim.SGD, encoder_checkpoint=encoder_checkpoint)
        self.encoders = nn.ModuleDict({encoder.modality: encoder for encoder in encoders})
        self.requires_grad_(False)

    def setup(self, stage: str) -> None:
        """Load the encoders, for each stage but training.

        Raises:
            MisconfigurationException: The stage is ``fit``.
        """
        if stage == "fit":
            raise MisconfigurationException(
                "Pretrained does not train: use `validate`, `test` or `predict`, or a model that trains, "
                "such as LinearProbe"
            )
        super().setup(stage)

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}`` of the modalities in the batch."""
        return {name: encoder(batch[name]) for name, encoder in self.encoders.items() if name in batch}

    def training_step(self, batch: Batch, batch_idx: int) -> NoReturn:
        """Raise NotImplementedError; :meth:`setup` already refuses to train."""
        raise NotImplementedError
