"""A checkpoint when a scheduler or Ctrl-C stops the training."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.exceptions import SIGTERMException

from unlabelled.distributed import all_reduce_max_
from unlabelled.stop_signals import STOP


class StopAtSignal(Callback):
    """Stop at the end of a step after SIGTERM or SIGINT, and write ``last.ckpt``.

    The ranks agree after each optimiser step (on GPUs every ``log_every_n_steps``), so that all of them stop
    after the same one, whichever of them got the signal. A clustering pass or a validation is completed
    first. Under SLURM, the signal that announces the requeue of a job is handled likewise: the checkpoint is
    the one that Lightning requeues the job with. ``cli.py`` adds this callback to every run; it acts where
    :data:`unlabelled.stop_signals.STOP` handles signals.
    """

    def __init__(self) -> None:
        self._last_step = 0
        self._between_steps = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the place of Lightning's handlers, which let ranks communicate in the middle of a step."""
        if not STOP.active:
            return
        connector: Any = trainer._signal_connector
        connector._sigterm_notifier_fn = _ignore
        environment = trainer._accelerator_connector.cluster_environment
        if stage != "fit" or not isinstance(environment, SLURMEnvironment):
            return
        if environment.auto_requeue and environment.requeue_signal is not None:
            STOP.add(environment.requeue_signal)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Defer signals from here on."""
        self._last_step, self._between_steps = trainer.global_step, True
        if STOP.active:
            loop: Any = trainer.fit_loop.epoch_loop
            loop._broadcast_sigterm_tensor = _ignore  # waits for the device before each step
            STOP.deferred = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop after an optimiser step; gradients that are being accumulated are in no checkpoint."""
        self._between_steps = trainer.global_step != self._last_step
        self._last_step = trainer.global_step
        waits = trainer.strategy.root_device.type != "cpu" and trainer.world_size > 1  # for the device
        interval = trainer.log_every_n_steps or 1  # type: ignore[attr-defined]
        if not waits or trainer.global_step % interval == 0:
            self._agree(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop after a validation in the middle of an epoch."""
        if STOP.deferred and not trainer.sanity_checking:
            self._agree(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop after an epoch."""
        self._agree(trainer)

    def _agree(self, trainer: Trainer) -> None:
        """Let Lightning stop at its next place, if any rank has received a signal."""
        if not STOP.active or not self._between_steps:
            return
        received = int(all_reduce_max_(torch.tensor(STOP.received or 0)))
        if received:
            STOP.received = STOP.received or received
            connector: Any = trainer._signal_connector
            connector.received_sigterm = True

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write the checkpoint."""
        if not isinstance(exception, SIGTERMException) or STOP.received is None:
            return
        name = signal.Signals(STOP.received).name
        if STOP.received not in (signal.SIGTERM, signal.SIGINT):
            connector: Any = trainer._signal_connector
            connector._slurm_sigusr_handler_fn(STOP.received, None)
            return
        folder = checkpoint_folder(trainer)
        if folder is None:
            rank_zero_info(f"stopped by {name}: the run writes no checkpoints (trainer.enable_checkpointing)")
            return
        trainer.save_checkpoint(folder / "last.ckpt")
        rank_zero_info(
            f"stopped by {name} after step {trainer.global_step}; --ckpt_path last resumes from "
            f"{folder / 'last.ckpt'}"
        )

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """End the process at once after a signal from here on."""
        STOP.deferred = False


def checkpoint_folder(trainer: Trainer) -> Path | None:
    """Return the folder of ``last.ckpt``, else that of other checkpoints; None: the run writes none."""
    writers = [each for each in trainer.checkpoint_callbacks if isinstance(each, ModelCheckpoint)]
    folders = [each.dirpath for each in sorted(writers, key=_is_last, reverse=True) if each.dirpath]
    return Path(folders[0]) if folders else None


def _is_last(checkpoint: ModelCheckpoint) -> bool:
    return checkpoint.filename == "last" or bool(checkpoint.save_last)


def _ignore(*args: Any) -> None:
    pass
