"""Random numbers of training steps, such as dropout, as a function of seed, rank and step."""

from __future__ import annotations

import os
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from unlabelled.seeding import SEED_VARIABLE, derive_seed, global_seed


class SeededSteps(Callback):
    """Seed the random number generators before each training step; checkpoints contain the seed of the run.

    The random numbers of a step do not depend on earlier steps, validations or clustering passes, so that a
    resumed run equals an uninterrupted one. ``cli.py`` adds this callback to every run.
    """

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the generators of all devices."""
        step = trainer.fit_loop.total_batch_idx
        torch.manual_seed(derive_seed(global_seed(), "step", trainer.global_rank, step))

    def state_dict(self) -> dict[str, Any]:
        """Return the seed of the run, which determines the random states of all steps, samples and passes."""
        return {"seed": global_seed()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Set the seed of the checkpoint, also if another one was given."""
        seed = state_dict["seed"]
        if seed != global_seed():
            rank_zero_warn(
                f"the run continues with the seed {seed} of its checkpoint, not with {global_seed()}"
            )
        os.environ[SEED_VARIABLE] = str(seed)
