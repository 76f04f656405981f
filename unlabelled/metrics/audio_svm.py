"""Classification of recordings by linear SVMs whose cost is chosen on the training recordings only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from unlabelled.metrics.one_vs_all import Recordings, judge
from unlabelled.seeding import numpy_generator

INNER_FOLDS = 5


class Result(NamedTuple):
    """Result of one division into training and test recordings.

    Attributes:
        accuracy: On the test recordings, the mean over the classes of their accuracy.
        cost: C of the SVMs.
        inner_accuracy: Of that cost on the inner splits; ``nan`` if there was only one cost.
        recordings: Number of test recordings.
        untested: Number of classes without test recordings.
        unconverged: Number of fits that did not converge, of all costs and rounds.
    """

    accuracy: float
    cost: float
    inner_accuracy: float
    recordings: float
    untested: float
    unconverged: float


@dataclass(frozen=True)
class AudioSVM:
    """SVM protocol for audio features.

    Args:
        num_classes: C.
        costs: Candidates for C of the SVMs.
        inner_rounds: Number of inner folds that are held out in turn to choose it; None: all of them.
        seed: Of the drawn inner folds and the solver.

    Source: Hu et al. 2019, supplement section 4; the choice of the cost is ours;
        docs/methods/dmc.md#audio-classification.
    """

    num_classes: int
    costs: Sequence[float]
    inner_rounds: int | None = None
    seed: int = 0

    def held_out(self, train: Recordings, test: Recordings, folds: Tensor | None = None) -> Result:
        """Choose a cost on ``train``, fit on all of it, and evaluate ``test``.

        Args:
            train: The training recordings.
            test: The test recordings.
            folds: ``(n,)``, inner folds of ``train`` for the choice of the cost; None: five, drawn class by
                class.

        Raises:
            ValueError: A class has no training recording, or there is no test recording.
        """
        self._check(train, test)
        if folds is None or len(torch.unique(folds)) < 2:
            rng = numpy_generator(self.seed, "sound-svm-inner-folds")
            folds = stratified_folds(train.labels, INNER_FOLDS, rng)
        cost, inner_accuracy, unconverged = self._choose(train, folds)
        accuracy, converged = judge(train, test, self.num_classes, cost, self.seed)
        untested = self.num_classes - len(torch.unique(test.labels))
        return Result(accuracy, cost, inner_accuracy, len(test), untested, unconverged + (not converged))

    def cross_validated(self, recordings: Recordings, folds: Tensor, numbers: Sequence[int]) -> list[Result]:
        """Evaluate each fold with SVMs fitted on the others.

        The cost is chosen on the other folds; the first held-out fold is the next one, cyclically.

        Args:
            recordings: All recordings.
            folds: ``(n,)``, the fold of each.
            numbers: The folds, whose results are returned in this order.

        Raises:
            ValueError: A fold has no recording, or the others have no recording of a class.
        """
        results = []
        for number in numbers:
            train, test = recordings.where(folds != number), recordings.where(folds == number)
            inner = (folds[folds != number] - number) % (max(numbers) + 1)
            results.append(self.held_out(train, test, inner))
        return results

    def _choose(self, train: Recordings, folds: Tensor) -> tuple[float, float, int]:
        """Return the best cost (the smallest of equal ones), its accuracy, and the number of failed fits."""
        costs, unconverged = sorted(self.costs), 0
        if len(costs) == 1:
            return costs[0], float("nan"), 0
        rounds = torch.unique(folds)[: self.inner_rounds]
        accuracies = torch.zeros(len(costs), dtype=torch.float64)
        for fold in rounds:
            parts = train.where(folds != fold), train.where(folds == fold)
            for number, cost in enumerate(costs):
                judgement = judge(*parts, self.num_classes, cost, self.seed)
                accuracies[number] += judgement.accuracy / len(rounds)
                unconverged += not judgement.converged
        best = int((accuracies >= accuracies.max() - 1e-12).nonzero()[0])
        return costs[best], float(accuracies[best]), unconverged

    def _check(self, train: Recordings, test: Recordings) -> None:
        highest = max((int(part.labels.max()) for part in (train, test) if len(part)), default=0)
        if highest >= self.num_classes:
            raise ValueError(
                f"svm: there is a label {highest}, but only {self.num_classes} classes; check the data "
                "module's class_names"
            )
        there = torch.bincount(train.labels, minlength=self.num_classes)
        if (there == 0).any():
            raise ValueError(
                f"svm: {int((there == 0).sum())} of {self.num_classes} classes have no training recording, "
                f"among them class {int(there.argmin())}; which files are missing is said at the start"
            )
        if len(test) == 0:
            raise ValueError("svm: there is no test recording with a label")


def stratified_folds(labels: Tensor, count: int, rng: np.random.Generator) -> Tensor:
    """Draw ``count`` folds stratified by class and return the fold of each recording ``(n,)``.

    The folds of all recordings, and those of a class, differ in size by one at most.

    Args:
        labels: ``(n,)``.
        count: Folds, 0 to ``count - 1``.
        rng: Random generator.
    """
    classes = [(labels == label).nonzero().flatten().numpy() for label in torch.unique(labels)]
    order = np.concatenate([rng.permutation(rows) for rows in classes])
    folds = torch.empty(len(labels), dtype=torch.int64)
    folds[torch.from_numpy(order)] = torch.arange(len(labels)) % count
    return folds
