"""Estimate of the time that a training still takes."""

from __future__ import annotations

import time

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.utilities import rank_zero_info


class TimeLeft(Callback):
    """Log from time to time how long a run of known length still takes, by the speed of its last epochs.

    The estimate takes ``trainer.max_time`` into account, which may end the training before its last epoch.
    Other programs on the machine change it, so that it is renewed.

    Args:
        every_n_seconds: Seconds between two lines, at the ends of epochs.
        seconds_after: Seconds that what follows the training takes, which are added.

    Raises:
        ValueError: ``every_n_seconds`` is not positive.
    """

    def __init__(self, every_n_seconds: float = 20.0, seconds_after: float = 0.0) -> None:
        if every_n_seconds <= 0:
            raise ValueError(f"TimeLeft: every_n_seconds={every_n_seconds} must be positive")
        self.every_n_seconds, self.seconds_after = every_n_seconds, seconds_after
        self._time = 0.0
        self._epoch = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._time, self._epoch = time.monotonic(), trainer.current_epoch

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the estimate, if the last one is old enough."""
        done, now = trainer.current_epoch + 1, time.monotonic()
        total = trainer.max_epochs
        if total is None or total < 1 or now - self._time < self.every_n_seconds:
            return
        seconds = (total - done) * (now - self._time) / (done - self._epoch)
        limits = [each.time_remaining() for each in trainer.callbacks if isinstance(each, Timer)]  # type: ignore[attr-defined]
        seconds = min([seconds, *(limit for limit in limits if limit is not None)]) + self.seconds_after
        _show(trainer, f"{done} of {total} epochs, about {max(seconds, 0) / 60:.1f} minutes left")
        self._time, self._epoch = now, done


def _show(trainer: Trainer, text: str) -> None:
    """Print a line above the progress bar, where there is one."""
    bar = trainer.progress_bar_callback
    if bar is None:
        rank_zero_info(text)
    elif trainer.is_global_zero:
        bar.print(text)
