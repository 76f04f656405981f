"""How well the nearest labelled neighbours tell a sample's class: the cheapest look at features."""

from __future__ import annotations

from typing import Any

from lightning import LightningModule, Trainer

from callbacks.evaluation.bank_evaluation import BankEvaluation
from callbacks.evaluation.held_out_evaluation import class_of_each, num_classes
from callbacks.shared.feature_collection import Rows
from callbacks.shared.reports import print_tables
from callbacks.shared.tables import Table
from unlabelled.metrics import cosine_pair, knn_accuracy, sharded_top_k


class KNNEvaluation(BankEvaluation):
    """Classify held-out samples by a weighted vote of their nearest labelled training samples.

    Neighbours are the k largest cosines over the bank of all ranks; a vote weighs ``exp(cosine / T)``. Logged
    are ``val/knn_accuracy`` and ``val/knn_top5``, with the suffix ``_<modality>`` for several modalities and
    ``/k<k>`` for several k. ``test`` prints a table.

    Args:
        k: Neighbours, one number or several.
        temperature: T of the votes.
        modality: Modality of the features; ``null``: each modality.
        every_n_epochs: Epochs between evaluations in ``fit``; ``null``: none in ``fit``. A checkpoint that is
            selected by ``val/knn_accuracy`` requires the same interval of validations.
        before_training: Also score the untrained encoder on the validation set, at the start of ``fit``; the
            numbers stay in the checkpoint, and ``test`` prints them beside its own.

    Raises:
        ValueError: A number out of range, or samples with several labels.

    Source: Wu et al. 2018 (arXiv:1805.01978) section 3.4, k and T of DINO (arXiv:2104.14294);
    docs/methods/sce.md#nearest-neighbours.
    """

    def __init__(
        self,
        k: int | list[int] = 20,
        temperature: float = 0.07,
        modality: str | None = None,
        every_n_epochs: int | None = 1,
        before_training: bool = True,
    ) -> None:
        super().__init__(every_n_epochs)
        self.ks = [k] if isinstance(k, int) else sorted(k)
        if not self.ks or self.ks[0] < 1 or temperature <= 0:
            raise ValueError(
                f"KNNEvaluation: k={k} and temperature={temperature}; expected neighbours, at least 1, and a "
                "positive temperature"
            )
        self.temperature, self.modality, self.before_training = temperature, modality, before_training
        self.before: Table = {}

    @property
    def state_key(self) -> str:
        """Tell several of these callbacks apart."""
        return self._generate_state_key(ks=self.ks, modality=self.modality)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the untrained network, once per run."""
        if not self.before_training or self.before or trainer.global_step > 0:
            return
        queries = self.untrained(trainer, pl_module)
        scores = self._scores(trainer, self.bank(trainer, pl_module), queries)
        self.before = {_row(*key): values for key, values in scores.items()}
        for logger in trainer.loggers:  # `log` would file them under the end of the first epoch
            logger.log_metrics(self._names(scores, "val"), step=0)

    def evaluate(
        self, trainer: Trainer, pl_module: LightningModule, bank: Rows, queries: Rows, stage: str
    ) -> None:
        """Log; print after a test."""
        scores = self._scores(trainer, bank, queries)
        for name, value in self._names(scores, stage).items():
            pl_module.log(name, value, prog_bar=name.startswith("val/knn_accuracy"), sync_dist=True)
        if stage == "test":
            after = {_row(*key): values for key, values in scores.items()}
            print_tables(trainer, {"before training, val": self.before, "k-NN, test": after}, "test/knn")

    def _scores(self, trainer: Trainer, bank: Rows, queries: Rows) -> dict[tuple[str, int], dict[str, float]]:
        """Return ``accuracy`` and ``top5`` by modality and k."""
        targets, labels = (class_of_each(rows, "KNNEvaluation") for rows in (queries, bank))
        scores, banks = {}, bank.of(self.modality)
        for modality, feature in queries.of(self.modality).items():
            near = sharded_top_k(*cosine_pair(feature, banks[modality]), labels, bank.ids, self.ks[-1])
            for k in self.ks:
                scores[modality, k] = knn_accuracy(
                    near.similarities[:, :k],
                    near.labels[:, :k],
                    targets,
                    num_classes(trainer),
                    self.temperature,
                )
        return scores

    def _names(self, scores: dict[tuple[str, int], dict[str, float]], stage: str) -> dict[str, float]:
        several = len({modality for modality, _ in scores}) > 1
        return {
            f"{stage}/knn_{name}"
            + (f"_{modality}" if several else "")
            + (f"/k{k}" if len(self.ks) > 1 else ""): value
            for (modality, k), values in scores.items()
            for name, value in values.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """The scores before training."""
        return {"before": self.before}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them back."""
        self.before = state_dict["before"]


def _row(modality: str, k: int) -> str:
    return f"{modality}, k={k}"
