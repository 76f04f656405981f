"""A callback that kills its process at a chosen place of a run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any, Literal

import torch
from lightning import Callback, LightningModule, Trainer

from callbacks import ClusteringPass

Place = Literal["step", "pass", "validation", "write", "SIGTERM", "SIGINT", "SIGUSR1"]
PLACES: tuple[Place, ...] = ("step", "pass", "validation", "write", "SIGTERM", "SIGINT")
"""In an epoch, a clustering pass, a validation, the writing of a checkpoint; two signals that stop a run."""


class KillAt(Callback):
    """Kill this process.

    Args:
        place: The place.
        step: The first step, or number of steps made, at which the process is killed.
        rank: The only rank that gets a signal; None: all ranks.
    """

    def __init__(self, place: Place, step: int, rank: int | None = None) -> None:
        self.place, self.step, self.rank = place, step, rank

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Place the call between the two halves of a pass, and within the writing of a file."""
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if self.place == "pass" and isinstance(callback, ClusteringPass):
                passes: Any = callback
                passes._cluster = self._before(trainer, passes._cluster)
        if self.place == "write":
            torch.save = self._within(trainer, torch.save)

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        """Kill within an epoch, or send a signal."""
        if self.place == "step":
            self._kill(trainer)
        own = self.rank in (None, trainer.global_rank)
        if self.place.startswith("SIG") and own and trainer.global_step == self.step:
            os.kill(os.getpid(), signal.Signals[self.place])

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Kill within a validation."""
        if self.place == "validation":
            self._kill(trainer)

    def _before(self, trainer: Trainer, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._kill(trainer)
            return function(*args, **kwargs)

        return call

    def _within(self, trainer: Trainer, save: Callable[..., Any]) -> Callable[..., Any]:
        def call(content: Any, file: Any, *args: Any, **kwargs: Any) -> Any:
            if trainer.global_step >= self.step and hasattr(file, "write"):
                file.write(b"PK\x03\x04" + bytes(5000))
                file.flush()
            self._kill(trainer)
            return save(content, file, *args, **kwargs)

        return call

    def _kill(self, trainer: Trainer) -> None:
        if trainer.global_step >= self.step:
            os.kill(os.getpid(), signal.SIGKILL)
