"""What evaluations against the labelled training set share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from lightning import LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException

from callbacks.evaluation.held_out_evaluation import HeldOutEvaluation
from callbacks.shared.batches import datamodule
from callbacks.shared.feature_collection import Rows, collect
from unlabelled.contracts import Labelled, LabelledBank


class BankEvaluation(HeldOutEvaluation):
    """Compare the evaluated samples with the labelled training samples (the bank), after each evaluation.

    The evaluated samples' features are taken from the evaluation step, the bank's are made anew; both without
    the samples that have no label or could not be read.
    """

    @abstractmethod
    def evaluate(
        self, trainer: Trainer, pl_module: LightningModule, bank: Rows, queries: Rows, stage: str
    ) -> None:
        """Compare and log under ``stage``, ``val`` or ``test``, on all ranks, each with its own rows."""

    def score(self, trainer: Trainer, pl_module: LightningModule, queries: Rows, stage: str) -> None:
        """Make the bank, and compare."""
        self.evaluate(trainer, pl_module, self.bank(trainer, pl_module), queries, stage)

    def check_data(self, data: Any) -> None:
        """Check at start that there is something to compare with."""
        if not isinstance(data, LabelledBank) or not isinstance(data, Labelled):
            raise MisconfigurationException(
                f"{type(self).__name__} needs a data module with labelled training rows "
                "(unlabelled.contracts.LabelledBank) and class_names"
            )

    def bank(self, trainer: Trainer, pl_module: LightningModule) -> Rows:
        """Return this rank's labelled training rows."""
        loader = datamodule(trainer).bank_dataloader()
        rows = collect(
            trainer, pl_module, loader, lambda batch: self.extract(pl_module, batch, None), "labelled bank"
        )
        return self.usable(rows, "training samples")
