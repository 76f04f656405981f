"""Estimate of the time that a training still takes, and its end before a deadline."""

from __future__ import annotations

import os
import time

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.utilities import rank_zero_info

DEADLINE = "UNLABELLED_DEADLINE"
"""Environment variable of the time at which all must be done, in seconds since 1970."""


class TimeLeft(Callback):
    """Log from time to time how long a run of known length still takes, by the speed of its epochs.

    The estimate takes ``trainer.max_time`` into account, which may end the training before its last epoch.
    Other programs on the machine change it, so that it is renewed. If the environment has
    ``UNLABELLED_DEADLINE``, as ``python -m unlabelled discover`` sets it, the training stops at the end of an
    epoch in time for what follows, which is taken to be slower by the factor by which the epochs are.

    Args:
        every_n_seconds: Seconds between two lines, at the ends of epochs.
        seconds_after: Seconds that what follows the training takes, which are added.
        seconds_per_epoch: Seconds that an epoch was expected to take; ``null``: not known.

    Raises:
        ValueError: ``every_n_seconds`` or ``seconds_per_epoch`` is not positive.
    """

    def __init__(
        self,
        every_n_seconds: float = 20.0,
        seconds_after: float = 0.0,
        seconds_per_epoch: float | None = None,
    ) -> None:
        if every_n_seconds <= 0 or (seconds_per_epoch or 1) <= 0:
            raise ValueError(
                f"TimeLeft: every_n_seconds={every_n_seconds} and seconds_per_epoch={seconds_per_epoch} must "
                "be positive"
            )
        self.every_n_seconds = every_n_seconds
        self.seconds_after, self.seconds_per_epoch = seconds_after, seconds_per_epoch
        self._start = self._shown = 0.0
        self._first_epoch = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start = self._shown = time.monotonic()
        self._first_epoch = trainer.current_epoch

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop before the deadline; log the estimate, if the last one is old enough."""
        done, now, total = trainer.current_epoch + 1, time.monotonic(), trainer.max_epochs
        if total is None or total < 1:
            return
        epoch = (now - self._start) / (done - self._first_epoch)
        after = self.seconds_after * max(1.0, epoch / (self.seconds_per_epoch or epoch or 1.0))
        limits = [(total - done) * epoch + after]
        timers = [each for each in trainer.callbacks if isinstance(each, Timer)]  # type: ignore[attr-defined]
        limits += [left + after for each in timers if (left := each.time_remaining()) is not None]
        if deadline := os.environ.get(DEADLINE):
            limits.append(left := float(deadline) - time.time())
            self._stop(trainer, left - epoch < after)
        if now - self._shown >= self.every_n_seconds:
            minutes = max(0.0, min(limits)) / 60
            _show(trainer, f"{done} of {total} epochs, about {minutes:.1f} minutes left")
            self._shown = now

    def _stop(self, trainer: Trainer, is_due: bool) -> None:
        if trainer.strategy.reduce_boolean_decision(is_due, all=False) and not trainer.should_stop:
            _show(trainer, "the training stops, so that what follows ends in the time that was promised")
            trainer.should_stop = True


def _show(trainer: Trainer, text: str) -> None:
    """Print a line above the progress bar, where there is one."""
    bar = trainer.progress_bar_callback
    if bar is None:
        rank_zero_info(text)
    elif trainer.is_global_zero:
        bar.print(text)
