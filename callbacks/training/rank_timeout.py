"""A limit on how long the processes of a run wait for each other, and the name of the one that hangs."""

from __future__ import annotations

import re
import signal
from datetime import timedelta
from typing import Any

import torch.distributed as dist
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from torch.distributed.distributed_c10d import _set_pg_timeout

from unlabelled.distributed import rank, world_size

_ANSWER = timedelta(seconds=5)


class HungRankError(RuntimeError):
    """A process did not take part in a step for too long; one line."""


class RankTimeout(Callback):
    """End a run if one of its processes hangs, and name the process and the step.

    A process that has waited ``seconds`` for the others ends with an error; the launcher then ends the
    others. Before the first step the processes may wait longer, as the first index of a large data set takes
    hours. ``cli.py`` adds this callback to every run; it does nothing in a run of one process.

    Args:
        seconds: How long the processes wait for each other. It must be longer than what only one of them
            does, such as a clustering by k-means or the writing of a checkpoint.
        first_seconds: The same before the first step, when the data are indexed.

    Raises:
        ValueError: A number is below 1.
    """

    def __init__(self, seconds: float = 600, first_seconds: float = 86_400) -> None:
        if min(seconds, first_seconds) < 1:
            raise ValueError(
                f"RankTimeout: seconds={seconds}, first_seconds={first_seconds}; expected at least 1"
            )
        self.seconds, self.first_seconds = seconds, first_seconds
        self._answering: Any = None

    def prepare(self, trainer: Trainer) -> None:
        """Set the limit before the first step; to be called before the run begins."""
        if hasattr(trainer.strategy, "_timeout"):
            trainer.strategy._timeout = timedelta(seconds=self.first_seconds)

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the limit, as all processes have their data."""
        self._shorten()

    on_train_start = on_validation_start = on_test_start = on_predict_start = on_sanity_check_start

    def _shorten(self) -> None:
        if self._answering is not None or world_size() == 1:
            return
        _set_pg_timeout(timedelta(seconds=self.seconds))
        # A group of its own: the one in which a process hangs cannot be used any more.
        self._answering = dist.new_group(backend="gloo", timeout=_ANSWER)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Find out which processes do not answer, if this one has waited too long.

        Raises:
            HungRankError: The error names them.
        """
        if self._answering is None or not _is_timeout(exception):
            return
        who = self._silent_ranks()
        step = f"step {trainer.global_step} (epoch {trainer.current_epoch}, counted from 0)"
        launcher = trainer.strategy.launcher
        if isinstance(launcher, _SubprocessScriptLauncher):
            launcher.kill(signal.SIGKILL)
        raise HungRankError(
            f"rank {rank()} waited {self.seconds:g} s in {step} for {who}; look what that process does, or "
            "raise --rank_timeout.seconds if it was only slow"
        ) from exception

    def _silent_ranks(self) -> str:
        """Return which ranks do not answer: rank 0 asks all, the others rank 0."""
        try:
            dist.monitored_barrier(self._answering, _ANSWER, wait_all_ranks=True)
        except RuntimeError as error:
            if found := re.search(r"Ranks ([\d, ]*\d) failed", str(error)):
                return f"rank {found[1]}"
            return "another rank: rank 0, unless its log names one"
        return "a rank that answers again"


def _is_timeout(exception: BaseException) -> bool:
    text = str(exception).lower()
    return isinstance(exception, RuntimeError) and ("timed out" in text or "timeout" in text)
