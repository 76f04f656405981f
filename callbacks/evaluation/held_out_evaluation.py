"""What evaluations of held-out features share: when, which features, and what is left out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info

from callbacks.shared.batches import datamodule
from callbacks.shared.evaluation_times import EvaluationTimes
from callbacks.shared.feature_collection import FeatureCollection, Rows, collect
from unlabelled.batch import Batch, Features
from unlabelled.contracts import Embeds, Labelled
from unlabelled.distributed import all_reduce_sum_
from unlabelled.encoders.evaluation_crops import embed_crops


class HeldOutEvaluation(Callback, ABC):
    """Score the features of the evaluated samples, after each evaluation.

    They are taken from the evaluation step, without the samples that have no label or could not be read.
    Labels are used for evaluation only.

    Args:
        every_n_epochs: How often a validation within ``fit`` does this; ``null``: never. ``validate`` and
            ``test`` always do.
    """

    def __init__(self, every_n_epochs: int | None) -> None:
        self.times = EvaluationTimes(self, every_n_epochs)
        self._queries: FeatureCollection | None = None
        self._told: set[str] = set()

    @abstractmethod
    def score(self, trainer: Trainer, pl_module: LightningModule, queries: Rows, stage: str) -> None:
        """Score and log under ``stage``, ``val`` or ``test``, on all ranks, each with its own rows."""

    def extract(self, pl_module: LightningModule, batch: Batch, pooled: Features | None) -> Features:
        """Return ``{modality: (B, D)}`` of a batch; ``pooled`` is what the step gave, if there was one."""
        assert isinstance(pl_module, Embeds)
        return embed_crops(pl_module.embed, batch) if pooled is None else pooled

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check at start that there is something to score."""
        if stage == "predict":
            return
        if not isinstance(pl_module, Embeds):
            raise MisconfigurationException(
                f"{type(self).__name__} needs a method that embeds (unlabelled.contracts.Embeds), which "
                f"{type(pl_module).__name__} is not"
            )
        self.check_data(getattr(trainer, "datamodule", None))

    def check_data(self, data: Any) -> None:
        """Check at start that the data module knows what is scored against.

        Raises:
            MisconfigurationException: It does not.
        """
        if not isinstance(data, Labelled):
            raise MisconfigurationException(
                f"{type(self).__name__} needs a data module with class_names (unlabelled.contracts.Labelled)"
            )

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start anew, if this evaluation is one to take part in."""
        self._queries = FeatureCollection() if self.times.is_now(trainer) else None

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Remember the features of a batch."""
        if self._queries is not None:
            with trainer.precision_plugin.forward_context():
                self._queries.add(batch, self.extract(pl_module, batch, outputs["features"]))

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score."""
        self._finish(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score."""
        self._finish(trainer, pl_module, "test")

    def _finish(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self._queries is None:
            return
        queries, self._queries = self._queries.finish(), None
        self.score(trainer, pl_module, self.usable(queries, f"{stage} samples"), stage)

    def untrained(self, trainer: Trainer, pl_module: LightningModule) -> Rows:
        """Return this rank's rows of the validation set, which no step has been through."""
        loader = datamodule(trainer).val_dataloader()
        rows = collect(
            trainer, pl_module, loader, lambda batch: self.extract(pl_module, batch, None), "before training"
        )
        return self.usable(rows, "val samples")

    def usable(self, rows: Rows, what: str) -> Rows:
        """Return the rows with labels, and say once per kind how many there were without."""
        kept = rows.labelled()
        left_out = torch.tensor([len(rows) - len(kept), rows.replaced], device=rows.ids.device)
        unlabelled, unread = all_reduce_sum_(left_out).tolist()
        if what not in self._told and unlabelled + unread:
            rank_zero_info(
                f"{type(self).__name__} leaves out {unlabelled} {what} without a label and {unread} that "
                "could not be read"
            )
        self._told.add(what)
        return kept


def class_of_each(rows: Rows, callback: str) -> torch.Tensor:
    """Return the labels ``(n,)``.

    Raises:
        ValueError: Samples have several labels.
    """
    if rows.labels.ndim != 1:
        raise ValueError(
            f"{callback} needs one label per sample, but the data set has {rows.labels.shape[1]} per sample; "
            "use SVMEvaluation for it"
        )
    return rows.labels


def num_classes(trainer: Trainer) -> int:
    """Return how many classes the data set has."""
    return len(datamodule(trainer).class_names)
