"""Going once over a loader beside the training: evaluation mode, progress bar, nothing left changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from unlabelled.batch import Batch
from unlabelled.data.datasets.clips import NOT_REPLACED


@contextmanager
def frozen_state(module: nn.Module, train: bool = False) -> Iterator[None]:
    """Run without gradients in the given mode; restore each submodule's mode and all random states."""
    modes = {part: part.training for part in module.modules()}
    module.train(train)
    try:
        with torch.no_grad(), isolate_rng():
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def iterate_batches(
    trainer: Trainer, module: LightningModule, loader: DataLoader[Any], title: str
) -> Iterator[Batch]:
    """Yield the loader's batches as steps get them: on the device, finished there, at the run's precision."""
    bar = tqdm(loader, desc=title, disable=trainer.global_rank > 0 or not _wants_bar(trainer), leave=False)
    for batch in bar:
        batch = trainer.precision_plugin.convert_input(batch)
        batch = module.transfer_batch_to_device(batch, module.device, 0)
        batch = datamodule(trainer).on_after_batch_transfer(batch, 0)
        with trainer.precision_plugin.forward_context():
            yield batch


def datamodule(trainer: Trainer) -> Any:
    """Return the run's data module; what it must offer is checked in each callback's ``setup``."""
    return trainer.datamodule  # type: ignore[attr-defined]


def not_replaced(batch: Batch) -> Tensor:
    """Return the mask ``(B,)`` of samples that are not stand-ins for unreadable clips.

    A pass that counts each clip once leaves stand-ins out: their clip is read in its own right.
    """
    mask: Tensor = batch["replaced"] == NOT_REPLACED
    return mask


def _wants_bar(trainer: Trainer) -> bool:
    return trainer.progress_bar_callback is not None
