"""Base class of zero-shot evaluations on sets of pre-extracted features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

import torch
from lightning import LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info

from callbacks.shared.batches import datamodule, frozen_state, iterate_batches
from callbacks.shared.before_training import ScoresBeforeTraining
from callbacks.shared.evaluation_times import EvaluationTimes
from callbacks.shared.loggers import Messages
from callbacks.shared.rows import RowCollection, Rows
from callbacks.shared.tables import Table, print_tables
from unlabelled.contracts import Embeds, EvaluatesOnSets
from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.distributed import all_reduce_sum_

_STAGES = {"fit": "val", "validate": "val", "test": "test"}


SetT = TypeVar("SetT", bound=EvaluationSet)


class SetEvaluation(ScoresBeforeTraining, ABC, Generic[SetT]):
    """Score the evaluation sets of one kind, each with a data loader of its own.

    The names of metrics are ``<stage>/<set>/<features or direction>/<metric>``; their values are equal on all
    ranks. ``test`` prints a table.

    Args:
        every_n_epochs: Epochs between two evaluations within ``fit``; ``null``: none. ``validate`` and
            ``test`` always evaluate.
        before_training: Also score the untrained network on the validation sets, at the start of ``fit``;
            checkpoints contain the scores, and ``test`` prints them too.

    Attributes:
        kind: The class of the sets.
        protocol: The title of the table.
    """

    logs: ClassVar[tuple[str, ...]] = ("val/*/*/*",)

    kind: type[EvaluationSet]
    protocol: str

    def __init__(self, every_n_epochs: int | None, before_training: bool) -> None:
        super().__init__(before_training)
        self.times = EvaluationTimes(self, every_n_epochs)
        self._collections: dict[int, RowCollection] = {}
        self._messages = Messages(self)

    @abstractmethod
    def start(self, trainer: Trainer, pl_module: LightningModule, evaluation_set: SetT) -> RowCollection:
        """Return an empty collection for the features of a set, which is open."""

    @abstractmethod
    def score(self, pl_module: LightningModule, evaluation_set: SetT, rows: Rows) -> Table:
        """Return metrics by features or direction, equal on all ranks, from the rows of each rank."""

    def columns(self, metrics: dict[str, float]) -> dict[str, float]:
        """Return the columns of the printed table."""
        return metrics

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the method and the data module."""
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
        """Return the sets of the kind by number of data loader."""
        sets = datamodule(trainer).evaluation_sets(stage)
        return {number: each for number, each in enumerate(sets) if isinstance(each, self.kind)}  # type: ignore[misc]

    def score_untrained(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """Return the scores on the validation sets as a table, and by metric."""
        sets = self._sets(trainer, "val")
        loaders = datamodule(trainer).val_dataloader() if sets else []
        loaders = loaders if isinstance(loaders, Sequence) else [loaders]
        table: Table = {}
        metrics: dict[str, float] = {}
        for number, each in sets.items():
            title = f"{each.name} before training"
            with frozen_state(pl_module):
                collection = self._opened(trainer, pl_module, each)
                for batch in iterate_batches(trainer, pl_module, loaders[number], title):
                    collection.add(batch, pl_module.embed(batch))  # type: ignore[operator]
            scores = self._scored(pl_module, each, collection.finish())
            table |= self._rows(each, scores)
            metrics |= _metrics("val", each, scores)
        return table, metrics

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Create empty collections, if the sets are to be scored in this evaluation."""
        sets = self._sets(trainer, _stage(trainer)) if self.times.is_now(trainer) else {}
        self._collections = {number: self._opened(trainer, pl_module, each) for number, each in sets.items()}

    on_test_epoch_start = on_validation_epoch_start

    def _opened(self, trainer: Trainer, pl_module: LightningModule, evaluation_set: SetT) -> RowCollection:
        evaluation_set.open()
        return self.start(trainer, pl_module, evaluation_set)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Store the features of a batch of a set of the kind."""
        if dataloader_idx in self._collections:
            self._collections[dataloader_idx].add(batch, outputs["features"])

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the sets and log the metrics; print them in ``test``."""
        if not self._collections:
            return
        stage, after = _stage(trainer), Table()
        sets = self._sets(trainer, stage)
        for number, collection in self._collections.items():
            scores = self._scored(pl_module, sets[number], collection.finish())
            after |= self._rows(sets[number], scores)
            for name, value in _metrics(stage, sets[number], scores).items():
                pl_module.log(name, value, sync_dist=True)
        self._collections = {}
        if stage == "test":
            tables = {"before training, val": self.before, f"{self.protocol}, test": after}
            print_tables(trainer, tables, f"test/{self.protocol.replace(' ', '_')}")

    on_test_epoch_end = on_validation_epoch_end

    def _scored(self, pl_module: LightningModule, evaluation_set: SetT, rows: Rows) -> Table:
        size, name = len(evaluation_set), evaluation_set.name
        count = torch.tensor([len(rows), rows.left_out], device=pl_module.device)
        present, unread = all_reduce_sum_(count).tolist()
        if unread or size - present - unread:
            message = (
                f", {name}: of {size} samples {unread} could not be read and {size - present - unread} were "
                "not visited"
            )
            self._messages.log_once(message, name)
        return self.score(pl_module, evaluation_set, rows)

    def _rows(self, evaluation_set: SetT, scores: Table) -> Table:
        return {f"{evaluation_set.name}, {row}": self.columns(metrics) for row, metrics in scores.items()}


def _stage(trainer: Trainer) -> str:
    return "test" if trainer.testing else "val"


def _metrics(stage: str, evaluation_set: EvaluationSet, scores: Table) -> dict[str, float]:
    return {
        f"{stage}/{evaluation_set.name}/{row}/{metric}": value
        for row, metrics in scores.items()
        for metric, value in metrics.items()
    }
