"""Where pictures go: TensorBoard, and PNG files beside its log."""

from __future__ import annotations

from pathlib import Path

from lightning import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter


def boards(trainer: Trainer) -> list[SummaryWriter]:
    """Return the writers of the run's TensorBoard logs; none on other processes than the first."""
    if not trainer.is_global_zero:
        return []
    return [logger.experiment for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]


def publish(trainer: Trainer, name: str, figure: Figure) -> None:
    """Add ``figure`` to the TensorBoard log as ``pictures/<name>``, and write it as PNG beside the log."""
    if not trainer.is_global_zero:
        return
    for board in boards(trainer):
        board.add_figure(f"pictures/{name}", figure, trainer.global_step, close=False)
    if trainer.log_dir is not None:
        folder = Path(trainer.log_dir) / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / f"{name}.png", dpi=110)
