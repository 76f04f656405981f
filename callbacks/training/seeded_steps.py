"""Random numbers of the gradient step (dropout and the like) as a function of seed, rank and step."""

from __future__ import annotations

import os
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from unlabelled.seeding import SEED_VARIABLE, derive_seed, global_seed


class SeededSteps(Callback):
    """Seed each training step anew, and keep the run's seed in the checkpoint.

    What a step draws then depends on nothing that happened before: a resumed run equals an uninterrupted one,
    and neither a validation nor a clustering pass shifts the stream. ``cli.py`` adds it to every run.
    """

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the generators of all devices."""
        step = trainer.fit_loop.total_batch_idx
        torch.manual_seed(derive_seed(global_seed(), "step", trainer.global_rank, step))

    def state_dict(self) -> dict[str, Any]:
        """The run's seed, from which the random state of every step, sample and pass follows."""
        return {"seed": global_seed()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the checkpoint's seed, also if another was asked for."""
        seed = state_dict["seed"]
        if seed != global_seed():
            rank_zero_warn(f"the run goes on with its checkpoint's seed {seed}, not with {global_seed()}")
        os.environ[SEED_VARIABLE] = str(seed)
