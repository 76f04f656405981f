"""Classification of held-out samples by their nearest labelled neighbours."""

from __future__ import annotations

from typing import Any, ClassVar

from lightning import LightningModule, Trainer

from callbacks.evaluation.held_out_evaluation import BankEvaluation, class_of_each, num_classes
from callbacks.shared.before_training import ScoresBeforeTraining
from callbacks.shared.rows import Rows
from callbacks.shared.tables import Table, print_tables
from unlabelled.metrics import cosine_pair, knn_accuracy, sharded_top_k


class KNNEvaluation(ScoresBeforeTraining, BankEvaluation):
    """Classify held-out samples by a weighted vote of their nearest labelled training samples.

    The neighbours are the k samples of the bank of all ranks with the largest cosine similarity; the weight
    of a vote is ``exp(cosine / T)``. Logs ``val/knn_accuracy`` and ``val/knn_top5``, with the suffix
    ``_<modality>`` for several modalities and ``/k<k>`` for several k. ``test`` prints a table.

    Args:
        k: Number of neighbours, or several numbers.
        temperature: T of the weights.
        modality: Modality of the features; ``null``: each modality.
        every_n_epochs: Epochs between two evaluations within ``fit``; ``null``: none. To select a checkpoint
            by ``val/knn_accuracy``, validate with the same interval.
        before_training: Also score the untrained encoder on the validation set, at the start of ``fit``;
            checkpoints contain the scores, and ``test`` prints them too.

    Raises:
        ValueError: A number is out of its range, there are no features of the modality, or samples have
            several labels.

    Source: Wu et al. 2018 (arXiv:1805.01978) section 3.4, k and T of DINO (arXiv:2104.14294);
    docs/methods/sce.md#nearest-neighbours.
    """

    logs: ClassVar[tuple[str, ...]] = ("val/knn_accuracy*", "val/knn_top5*")

    def __init__(
        self,
        k: int | list[int] = 20,
        temperature: float = 0.07,
        modality: str | None = None,
        every_n_epochs: int | None = 1,
        before_training: bool = True,
    ) -> None:
        BankEvaluation.__init__(self, every_n_epochs)
        ScoresBeforeTraining.__init__(self, before_training)
        self.ks = [k] if isinstance(k, int) else sorted(k)
        if not self.ks or self.ks[0] < 1 or temperature <= 0:
            raise ValueError(
                f"KNNEvaluation: k={k} and temperature={temperature}; expected numbers of neighbours, at "
                "least 1, and a positive temperature"
            )
        self.temperature, self.modality = temperature, modality

    @property
    def state_key(self) -> str:
        """Key that differs between callbacks of this class with different options."""
        return self._generate_state_key(ks=self.ks, modality=self.modality)

    def score_untrained(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """Return the scores on the validation set as a table, and by metric."""
        queries = self.untrained(trainer, pl_module)
        scores = self._scores(trainer, self.bank(trainer, pl_module), queries)
        return _as_table(scores), self._metrics(scores, "val")

    def evaluate(
        self, trainer: Trainer, pl_module: LightningModule, bank: Rows, queries: Rows, stage: str
    ) -> None:
        """Log the scores; print them in ``test``."""
        scores = self._scores(trainer, bank, queries)
        for name, value in self._metrics(scores, stage).items():
            pl_module.log(name, value, prog_bar=name.startswith("val/knn_accuracy"), sync_dist=True)
        if stage == "test":
            tables = {"before training, val": self.before, "k-NN, test": _as_table(scores)}
            print_tables(trainer, tables, "test/knn")

    def _scores(self, trainer: Trainer, bank: Rows, queries: Rows) -> dict[tuple[str, int], dict[str, float]]:
        """Return ``accuracy`` and ``top5`` by modality and k."""
        targets, labels = (class_of_each(rows, "KNNEvaluation") for rows in (queries, bank))
        scores, banks = {}, bank.features_of(self.modality)
        for modality, feature in queries.features_of(self.modality).items():
            nearest = sharded_top_k(*cosine_pair(feature, banks[modality]), labels, bank.index, self.ks[-1])
            for k in self.ks:
                scores[modality, k] = knn_accuracy(
                    nearest.similarities[:, :k],
                    nearest.labels[:, :k],
                    targets,
                    num_classes(trainer),
                    self.temperature,
                )
        return scores

    def _metrics(self, scores: dict[tuple[str, int], dict[str, float]], stage: str) -> dict[str, float]:
        several = len({modality for modality, _ in scores}) > 1
        return {
            f"{stage}/knn_{name}"
            + (f"_{modality}" if several else "")
            + (f"/k{k}" if len(self.ks) > 1 else ""): value
            for (modality, k), values in scores.items()
            for name, value in values.items()
        }


def _as_table(scores: dict[tuple[str, int], dict[str, float]]) -> Table:
    return {f"{modality}, k={k}": values for (modality, k), values in scores.items()}
