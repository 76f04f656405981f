"""Threads of one operation on the CPU."""

from __future__ import annotations

import torch
from lightning import Callback, LightningModule, Trainer


class CPUThreads(Callback):
    """Set how many threads share one operation on the CPU.

    Small networks are faster on one, above all beside the processes that read the data.

    Args:
        num_threads: Threads of this process.
    """

    def __init__(self, num_threads: int = 1) -> None:
        self.num_threads = num_threads

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set the number."""
        torch.set_num_threads(self.num_threads)
