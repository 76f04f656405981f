"""What pictures of held-out clips share: when they are drawn, and of which clips."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from callbacks.figures.clip_images import frames
from callbacks.shared.batches import not_replaced
from unlabelled.batch import Batch

IMAGE = "image"


class ClipFigures(Callback, ABC):
    """Draw the first process's share of the held-out clips, at the end of ``test`` and every few epochs.

    Args:
        every_n_epochs: Epochs between two sets of pictures in ``fit``, whose last epoch is drawn too.
        max_clips: Clips to keep for them, evenly spread.
    """

    def __init__(self, every_n_epochs: int = 10, max_clips: int = 2000) -> None:
        if min(every_n_epochs, max_clips) < 1:
            raise ValueError(
                f"{type(self).__name__}: every_n_epochs={every_n_epochs} and max_clips={max_clips} must be "
                "at least 1"
            )
        self.every_n_epochs, self.max_clips = every_n_epochs, max_clips
        self._rows: dict[str, list[Tensor]] = {}
        self._batch_size = 1

    @abstractmethod
    def look(self, pl_module: LightningModule, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """Return what is to be kept of a batch beside frames and labels, by name, each ``(B, ...)``."""

    @abstractmethod
    def draw(self, trainer: Trainer, pl_module: LightningModule, rows: dict[str, Tensor]) -> None:
        """Publish the pictures.

        Args:
            trainer: The run's.
            pl_module: The method.
            rows: ``label (n,)``, ``image (n, 3, h, w)`` uint8 where clips have pictures, and what
                :meth:`look` kept; on the CPU.
        """

    def ready(self, pl_module: LightningModule) -> bool:
        """Return whether there is anything to draw yet."""
        return True

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the last clips."""
        self._rows = {}

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep some clips of a batch."""
        if not self._wanted(trainer) or not self.ready(pl_module):
            return
        keep = not_replaced(batch) & self._sampled(trainer, batch, batch_idx)
        rows = {"label": batch["label"], **self.look(pl_module, outputs, batch)}
        images = frames(trainer, batch)
        if images is not None:
            rows[IMAGE] = images
        for name, value in rows.items():
            self._rows.setdefault(name, []).append(value[keep].cpu())

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw."""
        rows = {name: torch.cat(parts) for name, parts in self._rows.items()}
        self._rows = {}
        if rows and len(rows["label"]):
            self.draw(trainer, pl_module, rows)

    on_test_epoch_end = on_validation_epoch_end

    def _wanted(self, trainer: Trainer) -> bool:
        if trainer.sanity_checking or not trainer.is_global_zero:
            return False
        last = trainer.max_epochs is not None and trainer.current_epoch + 1 == trainer.max_epochs
        fitting = trainer.state.fn == TrainerFn.FITTING  # trainer.training is off in its validations
        return not fitting or last or (trainer.current_epoch + 1) % self.every_n_epochs == 0

    def _sampled(self, trainer: Trainer, batch: Batch, batch_idx: int) -> Tensor:
        """Return the mask ``(B,)`` of clips to keep: evenly spread, for splits that are sorted by class."""
        batches = trainer.num_test_batches if trainer.testing else trainer.num_val_batches
        label = batch["label"]
        if batch_idx == 0:
            self._batch_size = len(label)  # the last batch may be smaller
        every = max(1, math.ceil(int(batches[0]) * self._batch_size / self.max_clips))
        position = torch.arange(len(label), device=label.device) + batch_idx * self._batch_size
        return position % every == 0
