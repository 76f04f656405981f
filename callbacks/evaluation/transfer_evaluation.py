"""Many-shot transfer: logistic regression on frozen features, its penalty chosen on validation samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from callbacks.evaluation.held_out_evaluation import BankEvaluation, num_classes
from callbacks.shared.batches import datamodule
from callbacks.shared.rows import INDEX, LABEL, Rows, on_first_rank
from callbacks.shared.tables import print_tables
from unlabelled.contracts import HasTransferScore
from unlabelled.contracts.data import TransferScore
from unlabelled.distributed import from_first_rank
from unlabelled.metrics import (
    LinearClassifier,
    eleven_point_precision,
    fit_logistic_regression,
    mean_class_accuracy,
)
from unlabelled.seeding import numpy_generator


class Samples(NamedTuple):
    """Features ``(n, D)`` and labels, ``(n,)`` or ``(n, C)``."""

    features: Tensor
    labels: Tensor

    def where(self, keep: Tensor) -> Samples:
        """Return the samples of a mask ``(n,)``."""
        return Samples(self.features[keep], self.labels[keep])


class TransferEvaluation(BankEvaluation):
    """Fit logistic regression to the features of the bank; score held-out samples by the score of the data.

    For each of ``num_costs`` penalties the regression is fitted to a part of the bank and scored on the rest,
    its validation samples: those that the data module names, else a random share. The best penalty, the
    smallest of equal ones, is that of the final fit to the whole bank. Images with several labels have one
    binary regression per class. Features are neither normalised nor standardised.

    Runs in ``test`` and ``validate``, not within ``fit``. Logs ``test/transfer_score`` and
    ``test/transfer_penalty``; ``test`` prints them. Rank 0 gathers all features and fits on its device.

    Args:
        score: ``accuracy``, its mean over classes, or the mean average precision at eleven recalls; ``null``:
            the data module's, or accuracy if it names none.
        num_costs: Number of penalties, whose logarithms are evenly spaced.
        penalties: Smallest and largest penalty, the factor of half the squared weights, added to the summed
            loss.
        validation_share: Share of the bank to validate on, where the data module names no rows.
        seed: Seed of the draw of these samples.
        modality: Modality of the features; ``null`` where there is only one.

    Raises:
        ValueError: A number is out of its range, the score does not fit the labels, or there are features of
            several modalities.

    Source: linusericsson/ssl-transfer, linear.py (Ericsson et al. 2021); SCE Table 9;
    docs/methods/sce.md#many-shot-transfer.
    """

    logs: ClassVar[tuple[str, ...]] = ("val/transfer_score", "val/transfer_penalty")

    def __init__(
        self,
        score: TransferScore | None = None,
        num_costs: int = 45,
        penalties: tuple[float, float] = (1e-6, 1e5),
        validation_share: float = 0.2,
        seed: int = 0,
        modality: str | None = None,
    ) -> None:
        super().__init__(every_n_epochs=None)
        if num_costs < 1 or not 0 < penalties[0] <= penalties[1] or not 0 < validation_share < 1:
            raise ValueError(
                f"TransferEvaluation: num_costs={num_costs}, penalties={list(penalties)} and "
                f"validation_share={validation_share}; expected at least 1, [smallest, largest] above 0, and "
                "a share between 0 and 1"
            )
        self.chosen_score, self.validation_share, self.seed = score, validation_share, seed
        self.modality = modality
        self.penalties: list[float] = np.geomspace(*penalties, num_costs).tolist()

    def evaluate(
        self, trainer: Trainer, pl_module: LightningModule, bank: Rows, queries: Rows, stage: str
    ) -> None:
        """Choose the penalty, fit and score on rank 0; log on all ranks; print in ``test``."""
        data, classes = datamodule(trainer), num_classes(trainer)
        name = self.chosen_score or (
            data.transfer_score if isinstance(data, HasTransferScore) else "accuracy"
        )
        rows = data.validation_rows() if isinstance(data, HasTransferScore) else None
        for each in (bank, queries):
            self._check(each, name)
        gathered = on_first_rank(self._one_modality(bank)), on_first_rank(self._one_modality(queries))

        def on_rank_0() -> tuple[float, float]:
            assert gathered[0] is not None
            assert gathered[1] is not None
            train, test = (_samples(each, pl_module.device) for each in gathered if each is not None)
            held_out = self._validation_mask(gathered[0], rows).to(train.features.device)
            penalty = self._best_penalty(train.where(~held_out), train.where(held_out), classes, name)
            classifier = fit_logistic_regression(*train, classes, 1 / penalty)
            return score_of(classifier, test, name), penalty

        score, penalty = from_first_rank(on_rank_0)
        pl_module.log(f"{stage}/transfer_score", score, prog_bar=True, sync_dist=True)
        pl_module.log(f"{stage}/transfer_penalty", penalty, sync_dist=True)
        if stage == "test":
            print_tables(
                trainer, {"transfer, test": {name: {"score": score, "penalty": penalty}}}, "test/transfer"
            )

    def _check(self, rows: Rows, name: str) -> None:
        if (rows.labels.ndim > 1) != (name == "map_11_points"):
            raise ValueError(
                f"TransferEvaluation: the score {name} does not fit labels of shape "
                f"{tuple(rows.labels.shape)}; map_11_points is for several labels per image"
            )

    def _one_modality(self, rows: Rows) -> Rows:
        features = rows.features_of(self.modality)
        if len(features) > 1:
            raise ValueError(
                f"TransferEvaluation: there are features of {', '.join(features)}; set `modality` to one"
            )
        return Rows({**features, INDEX: rows.index, LABEL: rows.labels}, rows.left_out)

    def _validation_mask(self, bank: Rows, rows: Sequence[int] | None) -> Tensor:
        """Return the mask ``(n,)`` of the bank's validation samples."""
        if rows is not None:
            return torch.isin(bank.index, torch.tensor(list(rows)))
        count = int(self.validation_share * len(bank))
        drawn = numpy_generator(self.seed, "transfer validation").permutation(len(bank))[:count]
        mask = torch.zeros(len(bank), dtype=torch.bool)
        mask[torch.from_numpy(drawn)] = True
        return mask

    def _best_penalty(self, train: Samples, validation: Samples, classes: int, name: str) -> float:
        """Return the penalty with the best score on the validation samples, the smallest of equal ones."""
        if not len(train.features) or not len(validation.features):
            raise ValueError(
                f"TransferEvaluation: {len(train.features)} samples to learn from and "
                f"{len(validation.features)} to validate on; both must be more than 0"
            )
        best, chosen, classifier = -1.0, self.penalties[-1], None
        for penalty in reversed(self.penalties):  # from strong to weak, each fit starts from the last one
            classifier = fit_logistic_regression(*train, classes, 1 / penalty, classifier)
            score = score_of(classifier, validation, name)
            rank_zero_info(f"transfer: penalty {penalty:.3g}, validation {name} {score:.4f}")
            if score >= best:
                best, chosen = score, penalty
        return chosen


def score_of(classifier: LinearClassifier, samples: Samples, name: str) -> float:
    """Return a score of a classifier; classes without a sample do not count."""
    scores = classifier.scores(samples.features)
    if name == "map_11_points":
        columns = zip(scores.T, samples.labels.T, strict=True)
        each = torch.tensor([eleven_point_precision(*column) for column in columns])
        return float(each.nanmean())
    predicted = scores.argmax(1)
    if name == "accuracy_per_class":
        return mean_class_accuracy(predicted, samples.labels)
    return float((predicted == samples.labels).double().mean())


def _samples(rows: Rows, device: torch.device) -> Samples:
    (features,) = rows.features.values()
    device = torch.device("cpu") if device.type == "mps" else device  # which has no float64
    return Samples(features.to(device).double(), rows.labels.to(device))
