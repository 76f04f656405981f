"""Resumed runs continue as if they had never stopped, or refuse where they cannot."""

from __future__ import annotations

from typing import Any, NamedTuple

from lightning import Callback, LightningModule, Trainer
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.loops.fit_loop import _FitLoop
from lightning.pytorch.loops.loop import _Loop
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from lightning.pytorch.utilities import rank_zero_info

from callbacks.training.checkpoint_files import WholeCheckpoints


class BatchSizes(NamedTuple):
    """Numbers of samples, of all ranks together.

    Args:
        batch: Samples of a batch.
        step: Samples of an optimiser step.
        processes: Number of ranks.
    """

    batch: int
    step: int
    processes: int


class ResumableRun(Callback):
    """Write whole checkpoints, count epochs rightly, and check the batch at a resume.

    Everything that is counted in steps (schedules of passes, learning rate and momentum, the position in an
    epoch) holds for the number of samples of a step, which must be that of the checkpoint. It may be divided
    among another number of processes. ``cli.py`` adds this callback to every run.
    """

    def __init__(self) -> None:
        self._sizes: BatchSizes | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the place of Lightning's files and loop, unless the configuration names another plugin."""
        strategy = trainer.strategy  # those that write shards have files of their own
        whole = isinstance(strategy, SingleDeviceStrategy | DDPStrategy)
        if whole and type(strategy.checkpoint_io) is TorchCheckpointIO:
            trainer.strategy.checkpoint_io = WholeCheckpoints()
        if type(trainer.fit_loop) is _FitLoop:
            trainer.fit_loop.__class__ = _WholeEpochs
        batch_size = getattr(trainer.datamodule, "batch_size", None)  # type: ignore[attr-defined]
        if isinstance(batch_size, int):
            batch = batch_size * trainer.world_size
            self._sizes = BatchSizes(batch, batch * trainer.accumulate_grad_batches, trainer.world_size)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Compare the batch with that of the checkpoint; those of earlier versions do not state it.

        Raises:
            ValueError: A step has another number of samples; or a batch, in the middle of an epoch.
        """
        stored = checkpoint.get("callbacks", {}).get(self.state_key)
        if stored is None or self._sizes is None:
            return
        then, now = BatchSizes(**stored), self._sizes
        if then.step != now.step:
            raise ValueError(
                f"the checkpoint was written with {then.step} samples in a step, this run has {now.step} "
                f"({_factors(now, trainer)}): schedules, queues and the position in an epoch would be wrong; "
                f"{_advice(then, trainer)}, or start a new run from its encoders "
                "(--model.init_args.encoder_checkpoint)"
            )
        if then.batch != now.batch and _in_an_epoch(checkpoint):
            raise ValueError(
                f"the checkpoint was written within an epoch, with {then.batch} samples in a batch, this run "
                f"has {now.batch}; give --trainer.accumulate_grad_batches {then.step // then.batch} and "
                f"--data.init_args.batch_size {then.batch / trainer.world_size:g}"
            )
        if then.processes != now.processes:
            rank_zero_info(
                f"resumed with {now.processes} process(es) from a checkpoint of {then.processes}: a step has "
                "the same samples"
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the numbers of samples."""
        return {} if self._sizes is None else self._sizes._asdict()


class _WholeEpochs(_FitLoop):
    """Lightning's loop, which with ``max_steps`` takes every checkpoint for one from within an epoch.

    It would then make one more step of an epoch that is complete, and count the epoch twice.
    """

    @property
    def restarting(self) -> bool:
        """True if the run goes on within an epoch."""
        return bool(self._restarting)

    @restarting.setter
    def restarting(self, restarting: bool) -> None:
        current: Any = self.epoch_progress.current
        unfinished = any(count != current.processed for count in (current.ready, current.started))
        _Loop.restarting.fset(self, restarting and unfinished)  # type: ignore[attr-defined]


def _factors(sizes: BatchSizes, trainer: Trainer) -> str:
    accumulated = trainer.accumulate_grad_batches
    factors = [f"batch_size {sizes.batch // sizes.processes}", f"{sizes.processes} process(es)"]
    return " x ".join(factors + ([f"{accumulated} accumulated batches"] if accumulated > 1 else []))


def _advice(then: BatchSizes, trainer: Trainer) -> str:
    """Return the batch size that makes a step as large as that of the checkpoint."""
    processes = trainer.world_size * trainer.accumulate_grad_batches
    if then.step % processes:
        return f"use a number of processes by which {then.step} can be divided"
    return f"give --data.init_args.batch_size {then.step // processes}"


def _in_an_epoch(checkpoint: dict[str, Any]) -> bool:
    current = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]
    return bool(current["ready"] != current["processed"])
