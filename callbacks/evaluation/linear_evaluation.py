"""A linear classifier on frozen features, without a training run of its own."""

from __future__ import annotations

from lightning import LightningModule, Trainer

from callbacks.evaluation.bank_evaluation import BankEvaluation
from callbacks.evaluation.held_out_evaluation import class_of_each
from callbacks.evaluation.kmeans_scores import with_joint
from callbacks.shared.feature_collection import Rows, on_first_rank
from callbacks.shared.reports import print_tables
from callbacks.shared.tables import Table
from unlabelled.distributed import from_first_rank
from unlabelled.metrics.linear import linear_accuracy


class LinearEvaluation(BankEvaluation):
    """Fit logistic regression to the labelled training samples' features; score the held-out samples.

    Features are those of the fixed view, without augmentation, each dimension at variance 1: quicker and
    without a choice but the cost, where ``LinearProbe`` is the published protocol. Logged is
    ``val/linear_accuracy``, of several modalities with ``_<modality>`` behind, and then also ``_both`` (of
    more than two ``_all``), their unit features side by side. ``test`` prints a table. All features come
    together on the first process.

    Args:
        cost: C of the regression.
        every_n_epochs: Validations of ``fit`` that do this; ``null``: none.

    Raises:
        ValueError: A number out of range, samples with several labels, or of one class only.
    """

    def __init__(self, cost: float = 1.0, every_n_epochs: int | None = None) -> None:
        super().__init__(every_n_epochs)
        if not cost > 0:
            raise ValueError(f"LinearEvaluation: cost={cost} must be positive")
        self.cost = cost

    def evaluate(
        self, trainer: Trainer, pl_module: LightningModule, bank: Rows, queries: Rows, stage: str
    ) -> None:
        """Fit on rank 0; log everywhere, print after a test."""
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
        shown, asked = with_joint(bank.features), with_joint(queries.features)
        table: Table = {}
        for name, feature in shown.items():
            train, test = (feature, bank.labels), (asked[name], queries.labels)
            table[name] = {"accuracy": linear_accuracy(train, test, self.cost)}
        return table
