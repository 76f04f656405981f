"""Classification of recordings by linear SVMs, with a cost chosen on the training recordings only.

There is one SVM per class against the rest; a recording is classified by the mean score of its sub-clips.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unlabelled.seeding import numpy_generator

INNER_FOLDS = 5
MAX_ITERATIONS = 2000


@dataclass(frozen=True)
class Recordings:
    """Recordings with one class label each.

    Attributes:
        features: ``(n, V, D)``, features of V sub-clips per recording.
        labels: ``(n,)`` classes.
    """

    features: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, keep: Tensor) -> Recordings:
        """Return the recordings for which ``keep (n,)`` is True."""
        return Recordings(self.features[keep], self.labels[keep])


class OneVsAll:
    """One SVM (squared hinge, L2) per class against the rest, on features standardised over all sub-clips.

    Args:
        num_classes: C.
        cost: C of the SVMs.
        seed: Seed of the coordinate order of the solver.

    Attributes:
        converged: Whether the solver converged; set by :meth:`fit`.

    Source: the practice of SoundNet and L3-Net, to which the DMC supplement refers in section 4;
        marl/l3embedding, classifier/train.py; docs/methods/dmc.md#audio-classification.
    """

    def __init__(self, num_classes: int, cost: float, seed: int = 0) -> None:
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import LinearSVC

        self.num_classes, self.converged = num_classes, False
        self._scaler = StandardScaler()
        self._machine = LinearSVC(C=cost, dual=True, max_iter=MAX_ITERATIONS, random_state=seed)

    def fit(self, train: Recordings) -> OneVsAll:
        """Fit the SVMs; each sub-clip has the label of its recording.

        Raises:
            ValueError: All recordings are of one class.
        """
        from sklearn.exceptions import ConvergenceWarning

        labels = train.labels.repeat_interleave(train.features.shape[1]).numpy()
        if len(np.unique(labels)) < 2:
            raise ValueError(
                "svm: the training recordings are all of one class; expected two classes at least"
            )
        standardised = self._scaler.fit_transform(_rows(train.features))
        with warnings.catch_warnings():  # `converged` reports it
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._machine.fit(standardised, labels)
        self.converged = bool(np.max(self._machine.n_iter_) < MAX_ITERATIONS)
        return self

    def scores(self, features: Tensor) -> Tensor:
        """Return the mean over the sub-clips of the scores of each class, ``(n, C)`` float64.

        The score of a class without a training recording is minus infinity.

        Args:
            features: ``(n, V, D)``.

        Source: docs/methods/dmc.md#worked-examples, for the mean score instead of a majority of the
        sub-clips.
        """
        known = self._machine.decision_function(self._scaler.transform(_rows(features)))
        if known.ndim == 1:  # scikit-learn returns one column for two classes
            known = np.stack([-known, known], 1)
        scores = torch.full((len(known), self.num_classes), -torch.inf, dtype=torch.float64)
        scores[:, torch.from_numpy(self._machine.classes_)] = torch.from_numpy(known)
        return scores.view(*features.shape[:2], self.num_classes).mean(1)


def _rows(features: Tensor) -> NDArray[np.float64]:
    rows: NDArray[np.float64] = features.flatten(0, 1).double().numpy()
    return rows


def class_accuracy(predicted: Tensor, labels: Tensor) -> float:
    """Return the accuracy of each class in ``labels (n,)``, averaged over these classes.

    Equal to the plain accuracy if all classes are equally frequent, as in ESC-50 and DCASE2014.
    """
    correct = (predicted == labels).double()
    return float(torch.stack([correct[labels == label].mean() for label in torch.unique(labels)]).mean())


class Judgement(NamedTuple):
    """Accuracy of SVMs, and whether their solver converged."""

    accuracy: float
    converged: bool


def judge(train: Recordings, test: Recordings, num_classes: int, cost: float, seed: int = 0) -> Judgement:
    """Fit SVMs on ``train`` and evaluate them on ``test``."""
    machine = OneVsAll(num_classes, cost, seed).fit(train)
    predicted = machine.scores(test.features).argmax(1)
    return Judgement(class_accuracy(predicted, test.labels), machine.converged)


class Result(NamedTuple):
    """Result of one split into training and test recordings.

    Attributes:
        accuracy: Accuracy of each class on the test recordings, averaged over the classes.
        cost: C of the SVMs.
        inner_accuracy: Accuracy with that cost on the inner splits; ``nan`` if there is only one cost.
        recordings: Number of test recordings.
        untested: Number of classes without test recordings.
        unconverged: Number of fits of all costs and rounds that did not converge.
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
        seed: Seed of the inner folds and of the solver.

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
            folds: ``(n,)``, inner folds of ``train`` for the choice of the cost; None: five folds, drawn
                class by class.

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
        """Return the best, smallest cost, its accuracy, and the number of unconverged fits."""
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
        sizes = torch.bincount(train.labels, minlength=self.num_classes)
        if (sizes == 0).any():
            raise ValueError(
                f"svm: {int((sizes == 0).sum())} of {self.num_classes} classes have no training recording, "
                f"among them class {int(sizes.argmin())}; see the missing files in the log of the data module"
            )
        if len(test) == 0:
            raise ValueError("svm: there is no test recording with a label")


def stratified_folds(labels: Tensor, count: int, rng: np.random.Generator) -> Tensor:
    """Draw ``count`` folds stratified by class; return the fold of each recording ``(n,)``.

    The sizes of folds differ by at most one, also within a class.

    Args:
        labels: ``(n,)``.
        count: Number of folds.
        rng: Random generator.
    """
    classes = [(labels == label).nonzero().flatten().numpy() for label in torch.unique(labels)]
    order = np.concatenate([rng.permutation(rows) for rows in classes])
    folds = torch.empty(len(labels), dtype=torch.int64)
    folds[torch.from_numpy(order)] = torch.arange(len(labels)) % count
    return folds
