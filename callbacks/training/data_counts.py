"""Counts of what samples lack: captions, known words, audio."""

from __future__ import annotations

from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from callbacks.shared.batches import datamodule
from unlabelled.contracts import CountsDefects
from unlabelled.distributed import all_reduce_sum_


class DataCounts(Callback):
    """Log the number of training samples that lack something, such as ``data/no_known_word``.

    The counts are over all ranks and from the start of the run, also of a resumed run; a checkpoint contains
    the counts that were last logged. The counts of evaluated samples are printed after each evaluation of
    ``validate`` and ``test``, and after the first of ``fit``.

    Args:
        every_n_steps: Steps between two logs.

    Raises:
        MisconfigurationException: The data module does not count defects
            (:class:`unlabelled.contracts.CountsDefects`).
    """

    def __init__(self, every_n_steps: int = 10) -> None:
        self.every_n_steps = every_n_steps
        self.totals: dict[str, int] = {}
        self._pending: Tensor | None = None  # on the device: reading it each step would wait for the step
        self._evaluated: Tensor | None = None
        self._printed = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check that the data module counts defects."""
        data = getattr(trainer, "datamodule", None)
        if not isinstance(data, CountsDefects):
            raise MisconfigurationException(
                "DataCounts needs a data module that counts defects (unlabelled.contracts.CountsDefects), "
                f"which {type(data).__name__} is not; take the callback out of trainer.callbacks"
            )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add the counts of the batch; log the totals every ``every_n_steps`` steps."""
        self._pending = _added(self._pending, batch)
        if (batch_idx + 1) % self.every_n_steps == 0 or trainer.is_last_batch:
            for name, count in self._reduced(trainer, self._pending).items():
                self.totals[name] = self.totals.get(name, 0) + count
            self._pending = None
            metrics = {f"data/{name}": float(count) for name, count in self.totals.items()}
            for logger in trainer.loggers:
                logger.log_metrics(metrics, step=trainer.global_step)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Add the counts of the batch."""
        self._evaluated = _added(self._evaluated, batch)

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the counts of the evaluated samples."""
        counted, self._evaluated = self._evaluated, None
        if counted is None or trainer.sanity_checking:
            return
        defects = {name: count for name, count in self._reduced(trainer, counted).items() if count}
        if defects and not (self._printed and trainer.state.fn == TrainerFn.FITTING):
            text = ", ".join(f"{name} {count}" for name, count in defects.items())
            rank_zero_info(f"DataCounts: evaluated samples with defects: {text}")
        self._printed = True

    on_test_epoch_end = on_validation_epoch_end

    def _reduced(self, trainer: Trainer, counts: Tensor) -> dict[str, int]:
        names = datamodule(trainer).count_names
        return dict(zip(names, all_reduce_sum_(counts).tolist(), strict=True))

    def state_dict(self) -> dict[str, Any]:
        """Return the totals."""
        return dict(self.totals)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the totals."""
        self.totals = dict(state_dict)


def _added(total: Tensor | None, batch: Any) -> Tensor:
    counts: Tensor = batch["counts"].sum(0)
    return counts if total is None else total + counts
