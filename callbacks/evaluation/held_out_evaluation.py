"""Base classes of evaluations of the features of held-out samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException

from callbacks.shared.batches import datamodule
from callbacks.shared.evaluation_times import EvaluationTimes
from callbacks.shared.labels import class_names, is_idle
from callbacks.shared.loggers import Messages
from callbacks.shared.rows import RowCollection, Rows, as_float32, collect_features
from unlabelled.batch import Batch, Features
from unlabelled.contracts import Embeds, Labelled, LabelledBank
from unlabelled.distributed import all_reduce_sum_
from unlabelled.encoders.evaluation_crops import embed_crops


class HeldOutEvaluation(Callback, ABC):
    """Score the features of the evaluated samples, at the end of an evaluation.

    The features are those of the evaluation step, without samples that have no label or could not be read.
    Labels are used for evaluation only; on data without labels nothing is evaluated.

    Args:
        every_n_epochs: Epochs between two evaluations within ``fit``; ``null``: none. ``validate`` and
            ``test`` always evaluate.

    Attributes:
        idle: True for data without labels.
    """

    idle: bool = False

    def __init__(self, every_n_epochs: int | None) -> None:
        self.times = EvaluationTimes(self, every_n_epochs)
        self._queries: RowCollection | None = None
        self._messages = Messages(self)

    @abstractmethod
    def score(self, trainer: Trainer, pl_module: LightningModule, queries: Rows, stage: str) -> None:
        """Score and log under ``stage``, ``val`` or ``test``; called on all ranks, each with its own rows."""

    def extract(self, pl_module: LightningModule, batch: Batch, pooled: Features | None) -> Features:
        """Return ``{modality: (B, D)}`` of a batch.

        Args:
            pl_module: The method.
            batch: The batch.
            pooled: The features of the evaluation step; None where there was no evaluation step.
        """
        assert isinstance(pl_module, Embeds)
        return embed_crops(pl_module.embed, batch) if pooled is None else pooled

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the method and the data module."""
        if stage == "predict":
            return
        if not isinstance(pl_module, Embeds):
            raise MisconfigurationException(
                f"{type(self).__name__} needs a method that embeds (unlabelled.contracts.Embeds), which "
                f"{type(pl_module).__name__} is not"
            )
        self.check_data(getattr(trainer, "datamodule", None))
        self.idle = is_idle(self, trainer)

    def check_data(self, data: Any) -> None:
        """Check the data module.

        Raises:
            MisconfigurationException: It has no classes.
        """
        if not isinstance(data, Labelled):
            raise MisconfigurationException(
                f"{type(self).__name__} needs a data module with class_names (unlabelled.contracts.Labelled)"
            )

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Create an empty collection, if features are to be scored in this evaluation."""
        is_now = self.times.is_now(trainer) and not self.idle
        self._queries = RowCollection(type(self).__name__) if is_now else None

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
        """Store the features of a batch."""
        if self._queries is not None:
            with trainer.precision_plugin.forward_context():
                features = self.extract(pl_module, batch, outputs["features"])
                self._queries.add(batch, as_float32(features))

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the stored features."""
        self._finish(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the stored features."""
        self._finish(trainer, pl_module, "test")

    def _finish(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self._queries is None:
            return
        queries, self._queries = self._queries.finish(), None
        self.score(trainer, pl_module, self.usable(queries, f"{stage} samples"), stage)

    def untrained(self, trainer: Trainer, pl_module: LightningModule) -> Rows:
        """Return the usable rows of this rank of the validation set, before training."""
        loader = datamodule(trainer).val_dataloader()
        rows = collect_features(
            trainer, pl_module, loader, lambda batch: self.extract(pl_module, batch, None), "before training"
        )
        return self.usable(rows, "val samples")

    def usable(self, rows: Rows, kind: str) -> Rows:
        """Return the rows with labels; log the number of samples that are left out, once per kind."""
        kept = rows.labelled()
        left_out = torch.tensor([len(rows) - len(kept), rows.left_out], device=rows.index.device)
        unlabelled, unread = all_reduce_sum_(left_out).tolist()
        if unlabelled + unread:
            self._messages.log_once(
                f" leaves out {unlabelled} {kind} without a label and {unread} that could not be read", kind
            )
        return kept


class BankEvaluation(HeldOutEvaluation):
    """Compare the evaluated samples with the labelled training samples, the bank.

    The features of the evaluated samples are those of the evaluation step; those of the bank are computed by
    a pass over it. Samples that have no label or could not be read are left out of both.
    """

    @abstractmethod
    def evaluate(
        self, trainer: Trainer, pl_module: LightningModule, bank: Rows, queries: Rows, stage: str
    ) -> None:
        """Compare and log under ``stage``, ``val`` or ``test``; called on all ranks, each with its rows."""

    def score(self, trainer: Trainer, pl_module: LightningModule, queries: Rows, stage: str) -> None:
        """Compute the features of the bank, and compare."""
        self.evaluate(trainer, pl_module, self.bank(trainer, pl_module), queries, stage)

    def check_data(self, data: Any) -> None:
        """Check that the data module has a bank and classes."""
        if not isinstance(data, LabelledBank) or not isinstance(data, Labelled):
            raise MisconfigurationException(
                f"{type(self).__name__} needs a data module with labelled training rows "
                "(unlabelled.contracts.LabelledBank) and class_names"
            )

    def bank(self, trainer: Trainer, pl_module: LightningModule) -> Rows:
        """Return the usable rows of this rank of the bank."""
        loader = datamodule(trainer).bank_dataloader()
        rows = collect_features(
            trainer, pl_module, loader, lambda batch: self.extract(pl_module, batch, None), "labelled bank"
        )
        return self.usable(rows, "training samples")


def class_of_each(rows: Rows, callback: str) -> torch.Tensor:
    """Return the labels ``(n,)``.

    Raises:
        ValueError: The samples have several labels each.
    """
    if rows.labels.ndim != 1:
        raise ValueError(
            f"{callback} needs one label per sample, but the data set has {rows.labels.shape[1]} per sample; "
            "use SVMEvaluation for it"
        )
    return rows.labels


def num_classes(trainer: Trainer) -> int:
    """Return the number of classes of the data set."""
    return len(class_names(trainer))
