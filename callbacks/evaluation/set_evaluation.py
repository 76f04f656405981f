"""What zero-shot evaluations on sets of pre-extracted features share: when, which sets, where it is told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info

from callbacks.shared.batches import datamodule, frozen_state, iterate_batches
from callbacks.shared.evaluation_times import EvaluationTimes
from callbacks.shared.reports import print_tables
from callbacks.shared.set_rows import Collection, RowsT
from callbacks.shared.tables import Table
from unlabelled.contracts import Embeds, EvaluatesOnSets
from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.distributed import all_reduce_sum_

_STAGES = {"fit": "val", "validate": "val", "test": "test"}


SetT = TypeVar("SetT", bound=EvaluationSet)


class SetEvaluation(Callback, ABC, Generic[SetT, RowsT]):
    """Score the evaluation sets of one kind, each through its own data loader; log equally on all ranks.

    Metrics are called ``<stage>/<set>/<what>/<metric>``. ``test`` prints a table.

    Args:
        every_n_epochs: Validations of ``fit`` that do this; ``null``: none. ``validate`` and ``test`` always
            do.
        before_training: Also score the untrained network on the validation sets, at the start of ``fit``; the
            numbers stay in the checkpoint, and ``test`` prints them beside its own.

    Attributes:
        kind: The sets that are scored.
        protocol: The name of the table.
    """

    kind: type[EvaluationSet]
    protocol: str

    def __init__(self, every_n_epochs: int | None, before_training: bool) -> None:
        self.times, self.before_training = EvaluationTimes(self, every_n_epochs), before_training
        self.before: Table = {}
        self._collections: dict[int, Collection[RowsT]] = {}
        self._told: set[str] = set()

    @abstractmethod
    def start(self, trainer: Trainer, pl_module: LightningModule, chosen: SetT) -> Collection[RowsT]:
        """Return an empty collection for one set."""

    @abstractmethod
    def score(self, pl_module: LightningModule, chosen: SetT, rows: RowsT) -> Table:
        """Return metrics by what was compared, the same on all ranks, each of which has its own rows."""

    def shown(self, metrics: dict[str, float]) -> dict[str, float]:
        """Return the columns of the printed table."""
        return metrics

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check at start that there is something to score."""
        if stage not in _STAGES:
            return
        name, data = type(self).__name__, getattr(trainer, "datamodule", None)
        if not isinstance(pl_module, Embeds):
            raise MisconfigurationException(
                f"{name} needs a method that embeds (unlabelled.contracts.Embeds), which "
                f"{type(pl_module).__name__} is not"
            )
        if not isinstance(data, EvaluatesOnSets):
            raise MisconfigurationException(
                f"{name} needs a data module with evaluation sets (unlabelled.contracts.EvaluatesOnSets)"
            )
        if not self._sets(trainer, _STAGES[stage]):
            rank_zero_info(f"{name}: none of the {_STAGES[stage]} sets is a {self.kind.__name__}")

    def _sets(self, trainer: Trainer, stage: str) -> dict[int, SetT]:
        """Return the sets of our kind by number of data loader."""
        sets = datamodule(trainer).evaluation_sets(stage)
        return {number: each for number, each in enumerate(sets) if isinstance(each, self.kind)}  # type: ignore[misc]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the untrained network, once per run."""
        sets = self._sets(trainer, "val")
        if not self.before_training or not sets or self.before or trainer.global_step > 0:
            return
        loaders = datamodule(trainer).val_dataloader()
        loaders = loaders if isinstance(loaders, Sequence) else [loaders]
        metrics: dict[str, float] = {}
        for number, chosen in sets.items():
            with frozen_state(pl_module):
                collection = self._started(trainer, pl_module, chosen)
                for batch in iterate_batches(
                    trainer, pl_module, loaders[number], f"{chosen.name} before training"
                ):
                    collection.add(batch, pl_module.embed(batch))  # type: ignore[operator]
            scores = self._scored(pl_module, chosen, collection.finish())
            self.before |= self._rows(chosen, scores)
            metrics |= _names("val", chosen, scores)
        for logger in trainer.loggers:  # `log` would file them under the end of the first epoch
            logger.log_metrics(metrics, step=0)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start anew, if this evaluation is one to take part in."""
        sets = self._sets(trainer, _stage(trainer)) if self.times.is_now(trainer) else {}
        self._collections = {
            number: self._started(trainer, pl_module, chosen) for number, chosen in sets.items()
        }

    on_test_epoch_start = on_validation_epoch_start

    def _started(self, trainer: Trainer, pl_module: LightningModule, chosen: SetT) -> Collection[RowsT]:
        chosen.open()
        return self.start(trainer, pl_module, chosen)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Remember a batch of one of our sets."""
        if dataloader_idx in self._collections:
            self._collections[dataloader_idx].add(batch, outputs["features"])

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score and log; print after a test."""
        if not self._collections:
            return
        stage, after = _stage(trainer), Table()
        sets = self._sets(trainer, stage)
        for number, collection in self._collections.items():
            scores = self._scored(pl_module, sets[number], collection.finish())
            after |= self._rows(sets[number], scores)
            for name, value in _names(stage, sets[number], scores).items():
                pl_module.log(name, value, sync_dist=True)
        self._collections = {}
        if stage == "test":
            tables = {"before training, val": self.before, f"{self.protocol}, test": after}
            print_tables(trainer, tables, f"test/{self.protocol.replace(' ', '_')}")

    on_test_epoch_end = on_validation_epoch_end

    def _scored(self, pl_module: LightningModule, chosen: SetT, rows: RowsT) -> Table:
        count = torch.tensor([len(rows), rows.replaced], device=pl_module.device)
        present, unread = all_reduce_sum_(count).tolist()
        unseen = len(chosen) - present - unread
        if unread + unseen and chosen.name not in self._told:
            rank_zero_info(
                f"{type(self).__name__}, {chosen.name}: of {len(chosen)} samples {unread} could not be "
                f"read and {unseen} were not visited"
            )
        self._told.add(chosen.name)
        return self.score(pl_module, chosen, rows)

    def _rows(self, chosen: SetT, scores: Table) -> Table:
        return {f"{chosen.name}, {what}": self.shown(metrics) for what, metrics in scores.items()}

    def state_dict(self) -> dict[str, Any]:
        """The scores before training."""
        return {"before": self.before}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them back."""
        self.before = state_dict["before"]


def _stage(trainer: Trainer) -> str:
    return "test" if trainer.testing else "val"


def _names(stage: str, chosen: EvaluationSet, scores: Table) -> dict[str, float]:
    return {
        f"{stage}/{chosen.name}/{what}/{metric}": value
        for what, metrics in scores.items()
        for metric, value in metrics.items()
    }
