"""Output of callbacks beside metrics: figures and texts for loggers, PNG files, messages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lightning import Callback, Trainer
from lightning.pytorch.loggers import CometLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_info

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter


def boards(trainer: Trainer) -> list[SummaryWriter]:
    """Return the writers of the run's TensorBoard logs; on ranks other than 0 there are none."""
    if not trainer.is_global_zero:
        return []
    return [logger.experiment for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]


def board_folders(trainer: Trainer) -> list[str]:
    """Return the folders that TensorBoard shows; on ranks other than 0 there are none."""
    loggers = trainer.loggers if trainer.is_global_zero else []
    return [str(logger.save_dir) for logger in loggers if isinstance(logger, TensorBoardLogger)]


def log_folder(trainer: Trainer) -> Path:
    """Return the log folder of the run; it may be called on a single rank.

    ``trainer.log_dir`` is a broadcast, which would wait for the other ranks.
    """
    folder = next((logger.log_dir for logger in trainer.loggers if logger.log_dir is not None), None)
    return Path(folder if folder is not None else trainer.default_root_dir)


def publish(trainer: Trainer, name: str, figure: Figure) -> None:
    """Add a figure to the logs as ``figures/<name>``, and write it as a PNG file into the log folder."""
    if not trainer.is_global_zero:
        return
    path = log_folder(trainer) / "figures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    for logger in trainer.loggers:
        _add_figure(logger, f"figures/{name}", figure, path, trainer.global_step)


def _add_figure(logger: Logger, name: str, figure: Figure, path: Path, step: int) -> None:
    """Add a figure to one log; ``CSVLogger`` and others that take no figures have the PNG file."""
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_figure(name, figure, step, close=False)
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_figure(logger.run_id, figure, f"{name}_step{step}.png")
    elif isinstance(logger, CometLogger):
        logger.experiment.log_figure(name, figure, step=step)
    elif callable(
        log_image := getattr(logger, "log_image", None)
    ):  # Weights & Biases, and others with its method
        log_image(name, [str(path)], step=step)


def publish_text(trainer: Trainer, name: str, text: str) -> None:
    """Add a text in Markdown to the logs; on rank 0 only."""
    if not trainer.is_global_zero:
        return
    step = trainer.global_step
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_text(name, text, step)
        elif isinstance(logger, MLFlowLogger):
            logger.experiment.log_text(logger.run_id, text, f"{name}_step{step}.md")
        elif isinstance(logger, CometLogger):
            logger.experiment.log_text(text, step=step, metadata={"name": name})
        elif isinstance(logger, WandbLogger):
            logger.log_text(name, columns=["text"], data=[[text]], step=step)


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
