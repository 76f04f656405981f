"""Number of threads of an operation on the CPU."""

from __future__ import annotations

import torch
from lightning import Callback, LightningModule, Trainer


class CPUThreads(Callback):
    """Set the number of threads of an operation on the CPU.

    Small networks are faster with one thread, in particular beside the processes that read the data.

    Args:
        num_threads: Number of threads of this process.
    """

    def __init__(self, num_threads: int = 1) -> None:
        self.num_threads = num_threads

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set the number."""
        torch.set_num_threads(self.num_threads)
