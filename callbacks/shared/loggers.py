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


def log_folder(trainer: Trainer) -> Path:
    """Return where this process's run is logged.

    ``trainer.log_dir`` would do, but it is a broadcast: asked on one rank only, it waits for ever.
    """
    folder = next((logger.log_dir for logger in trainer.loggers if logger.log_dir is not None), None)
    return Path(folder if folder is not None else trainer.default_root_dir)


def publish(trainer: Trainer, name: str, figure: Figure) -> None:
    """Add ``figure`` to the TensorBoard log as ``pictures/<name>``, and write it as PNG beside the log."""
    if not trainer.is_global_zero:
        return
    for board in boards(trainer):
        board.add_figure(f"pictures/{name}", figure, trainer.global_step, close=False)
    folder = log_folder(trainer) / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=110)
