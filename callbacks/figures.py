"""Where pictures go: TensorBoard, and PNG files beside its log."""

from __future__ import annotations

from pathlib import Path

from lightning import Trainer
from matplotlib.figure import Figure


def publish(trainer: Trainer, name: str, figure: Figure) -> None:
    """Add ``figure`` to the TensorBoard log as ``pictures/<name>`` and write ``pictures/<name>.png`` beside it."""
    if not trainer.is_global_zero:
        return
    for logger in trainer.loggers:
        add_figure = getattr(logger.experiment, "add_figure", None)
        if add_figure is not None:
            add_figure(f"pictures/{name}", figure, trainer.global_step, close=False)
    if trainer.log_dir is not None:
        folder = Path(trainer.log_dir) / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / f"{name}.png", dpi=110)
