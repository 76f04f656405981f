"""Output of callbacks beside metrics: figures and texts in TensorBoard, PNG files, messages."""

from __future__ import annotations

from pathlib import Path

from lightning import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_info
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter


def boards(trainer: Trainer) -> list[SummaryWriter]:
    """Return the writers of the run's TensorBoard logs; on ranks other than 0 there are none."""
    if not trainer.is_global_zero:
        return []
    return [logger.experiment for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]


def log_folder(trainer: Trainer) -> Path:
    """Return the log folder of the run; it may be called on a single rank.

    ``trainer.log_dir`` is a broadcast, which would wait for the other ranks.
    """
    folder = next((logger.log_dir for logger in trainer.loggers if logger.log_dir is not None), None)
    return Path(folder if folder is not None else trainer.default_root_dir)


def publish(trainer: Trainer, name: str, figure: Figure) -> None:
    """Add a figure to the TensorBoard logs as ``figures/<name>``, and write it as a PNG file beside them."""
    if not trainer.is_global_zero:
        return
    for board in boards(trainer):
        board.add_figure(f"figures/{name}", figure, trainer.global_step, close=False)
    folder = log_folder(trainer) / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=110)


class Messages:
    """Messages of a callback, each logged once, on rank 0.

    Args:
        owner: The callback.
    """

    def __init__(self, owner: Callback) -> None:
        self._owner = type(owner).__name__
        self._logged: set[str] = set()

    def log_once(self, message: str, topic: str | None = None) -> None:
        """Log a message, unless there was one on this topic; by default the message is its own topic."""
        topic = message if topic is None else topic
        if topic not in self._logged:
            rank_zero_info(f"{self._owner}{message}")
        self._logged.add(topic)
