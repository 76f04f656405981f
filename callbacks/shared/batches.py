"""Passes over a data loader outside the training loop."""

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
from unlabelled.data.datasets.samples import NOT_REPLACED, note_replaced
from unlabelled.seeding import derive_seed


@contextmanager
def frozen_state(module: nn.Module, train: bool = False) -> Iterator[None]:
    """Disable gradients and set the mode; then restore the mode of each submodule and all random states.

    >>> module = nn.Dropout()
    >>> with frozen_state(module):
    ...     module.training, torch.is_grad_enabled()
    (False, False)
    >>> module.training, torch.is_grad_enabled()
    (True, True)
    """
    modes = {part: part.training for part in module.modules()}
    module.train(train)
    try:
        with torch.no_grad(), isolate_rng():
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def iterate_batches(
    trainer: Trainer, module: LightningModule, loader: DataLoader[Any], title: str, seed: int | None = None
) -> Iterator[Batch]:
    """Yield the batches of a loader as a step receives them: on the device, at the precision of the run.

    The data module's ``on_after_batch_transfer`` is applied.

    Args:
        trainer: The trainer.
        module: The method.
        loader: A loader of the data module.
        title: Title of the progress bar.
        seed: Seed of what is done with the batches, such as dropout: the generators are seeded by it and the
            number of the batch. A seed before the loop would not do, as a loader that starts processes draws
            numbers too. None: nothing random is done.
    """
    quiet = trainer.global_rank > 0 or trainer.progress_bar_callback is None
    for number, batch in enumerate(tqdm(loader, desc=title, disable=quiet, leave=False)):
        note_replaced(loader.dataset, batch)
        batch = trainer.precision_plugin.convert_input(batch)
        batch = module.transfer_batch_to_device(batch, module.device, 0)
        batch = trainer.datamodule.on_after_batch_transfer(batch, 0)  # type: ignore[attr-defined]
        if seed is not None:
            torch.manual_seed(derive_seed(seed, "batch", number))
        with trainer.precision_plugin.forward_context():
            yield batch


def datamodule(trainer: Trainer) -> Any:
    """Return the data module of the run; each callback checks its interface in ``setup``."""
    return trainer.datamodule  # type: ignore[attr-defined]


def not_replaced(batch: Batch) -> Tensor:
    """Return the mask ``(B,)`` of the samples that are not replacements of unreadable samples.

    A pass that counts each sample once leaves out replacements, which occur a second time as themselves.

    >>> not_replaced({"replaced": torch.tensor([-1, 7, -1])}).tolist()
    [True, False, True]
    """
    mask: Tensor = batch["replaced"] == NOT_REPLACED
    return mask
