"""A callback for the tests of processes that hang."""

from __future__ import annotations

import time
from typing import Any

from lightning import Callback, LightningModule, Trainer


class Hang(Callback):
    """Let one process wait for ever before a step."""

    def __init__(self, rank: int, step: int) -> None:
        self.rank, self.step = rank, step

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        while trainer.global_rank == self.rank and trainer.global_step == self.step:
            time.sleep(1)
