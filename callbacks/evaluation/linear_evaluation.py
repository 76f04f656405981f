"""Classification by a linear classifier on frozen features, without a training run of its own."""

from __future__ import annotations

from typing import ClassVar

from lightning import LightningModule, Trainer

from callbacks.evaluation.held_out_evaluation import BankEvaluation, class_of_each
from callbacks.evaluation.kmeans_evaluation import with_joint
from callbacks.shared.rows import Rows, on_first_rank
from callbacks.shared.tables import Table, print_tables
from unlabelled.distributed import from_first_rank
from unlabelled.metrics.linear import linear_accuracy


class LinearEvaluation(BankEvaluation):
    """Fit logistic regression to the features of the labelled training samples; score the held-out samples.

    Features are computed without augmentation; each dimension is scaled to variance 1. This is faster than
    the published protocol, ``LinearProbe``, and has no option but the cost. Logs ``val/linear_accuracy``.
    With several modalities it has the suffix ``_<modality>``, and there is also ``_both`` (with more than two
    modalities ``_all``): the concatenation of their normalised features. ``test`` prints a table. Rank 0
    gathers all features.

    Args:
        cost: C of the regression.
        every_n_epochs: Epochs between two evaluations within ``fit``; ``null``: none.

    Raises:
        ValueError: A number is out of its range, or samples have several labels or are all of one class.
    """

    logs: ClassVar[tuple[str, ...]] = ("val/linear_accuracy*",)

    def __init__(self, cost: float = 1.0, every_n_epochs: int | None = None) -> None:
        super().__init__(every_n_epochs)
        if not cost > 0:
            raise ValueError(f"LinearEvaluation: cost={cost} must be positive")
        self.cost = cost

    def evaluate(
        self, trainer: Trainer, pl_module: LightningModule, bank: Rows, queries: Rows, stage: str
    ) -> None:
        """Fit on rank 0; log the accuracies on all ranks; print them in ``test``."""
        for rows in (bank, queries):
            class_of_each(rows, "LinearEvaluation")
        gathered = on_first_rank(bank), on_first_rank(queries)
        table = from_first_rank(lambda: self._scores(*gathered))
        for source, row in table.items():
            name = f"{stage}/linear_accuracy" + (f"_{source}" if len(table) > 1 else "")
            pl_module.log(name, row["accuracy"], sync_dist=True)
        if stage == "test":
            print_tables(trainer, {f"linear, C={self.cost:g}, test": table}, "test/linear")

    def _scores(self, bank: Rows | None, queries: Rows | None) -> Table:
        assert bank is not None
        assert queries is not None
        held_out = with_joint(queries.features)
        table: Table = {}
        for name, feature in with_joint(bank.features).items():
            train, test = (feature, bank.labels), (held_out[name], queries.labels)
            table[name] = {"accuracy": linear_accuracy(train, test, self.cost)}
        return table
