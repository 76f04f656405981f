"""Labels of the data of a run, which may have none."""

from __future__ import annotations

from lightning import Callback, Trainer
from lightning.pytorch.utilities import rank_zero_info

from callbacks.shared.batches import datamodule


def class_names(trainer: Trainer) -> list[str]:
    """Return the names of the classes by label; empty: the data have no labels."""
    return list(datamodule(trainer).class_names)


def is_idle(callback: Callback, trainer: Trainer) -> bool:
    """Return whether a callback that compares with labels has none to compare with, and log it."""
    idle = not class_names(trainer)
    if idle:
        rank_zero_info(f"{type(callback).__name__}: idle, as the data have no labels")
    return idle
