"""Centroids are fitted after every n-th step, also under accumulation and in resumed runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.utils.data import DataLoader

from callbacks.training.centroid_update import CentroidUpdate


class Counting(LightningModule):
    """Record the number of steps at each fit."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.fits: list[int] = []

    def refresh_centroids(self) -> None:
        self.fits.append(self.trainer.global_step)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.weight * batch.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Saving(Callback):
    """Write a checkpoint after each step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        trainer.save_checkpoint(self.folder / f"{trainer.global_step}.ckpt")


def fit(folder: Path, *callbacks: Callback, ckpt_path: Path | None = None, **kwargs: Any) -> list[int]:
    module = Counting()
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    options = {"max_epochs": 2, "accelerator": "cpu", "logger": False, **quiet, **kwargs}
    trainer = Trainer(default_root_dir=folder, callbacks=list(callbacks), **options)
    trainer.fit(module, DataLoader(torch.ones(8, 1), batch_size=1), ckpt_path=ckpt_path)
    return module.fits


def test_a_fit_after_every_third_step(tmp_path: Path) -> None:
    assert fit(tmp_path, CentroidUpdate(3)) == [3, 6, 9, 12, 15]
    assert fit(tmp_path, CentroidUpdate(3), accumulate_grad_batches=2) == [3, 6]  # of 8 steps


def test_a_resumed_run_fits_at_the_same_steps(tmp_path: Path) -> None:
    fit(tmp_path, CentroidUpdate(3), Saving(tmp_path))
    for step, expected in ((5, [6, 9, 12, 15]), (6, [6, 9, 12, 15]), (7, [9, 12, 15])):
        assert fit(tmp_path, CentroidUpdate(3), ckpt_path=tmp_path / f"{step}.ckpt") == expected


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="every_n_steps=0 must be at least 1"):
        CentroidUpdate(0)
    module = LightningModule()
    with pytest.raises(MisconfigurationException, match=r"contracts.HasCentroids\), which LightningModule"):
        CentroidUpdate().setup(Trainer(accelerator="cpu", logger=False), module, "fit")
