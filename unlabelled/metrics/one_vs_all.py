"""Linear SVMs, one class against the rest, that classify recordings by the mean score of their sub-clips."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import Tensor

MAX_ITERATIONS = 2000


@dataclass(frozen=True)
class Recordings:
    """Recordings with one class label each.

    Attributes:
        features: ``(n, V, D)``, of the V sub-clips of each.
        labels: ``(n,)`` classes.
    """

    features: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, keep: Tensor) -> Recordings:
        """Return the recordings where ``keep (n,)`` is True."""
        return Recordings(self.features[keep], self.labels[keep])


class OneVsAll:
    """One SVM (squared hinge, L2) per class against the rest, on features standardised over all sub-clips.

    Args:
        num_classes: C.
        cost: C of the SVMs.
        seed: Of the solver's coordinate order.

    Attributes:
        converged: Whether the solver converged, set by :meth:`fit`.

    Source: the practice of SoundNet and L3-Net, to which the DMC supplement refers in section 4;
        marl/l3embedding, classifier/train.py; docs/methods/dmc.md#audio-classification.
    """

    def __init__(self, num_classes: int, cost: float, seed: int = 0) -> None:
        self.num_classes, self.converged = num_classes, False
        self._scaler = StandardScaler()
        self._machine = LinearSVC(C=cost, dual=True, max_iter=MAX_ITERATIONS, random_state=seed)

    def fit(self, train: Recordings) -> OneVsAll:
        """Fit the SVMs; each sub-clip has the label of its recording.

        Raises:
            ValueError: All recordings are of one class.
        """
        labels = train.labels.repeat_interleave(train.features.shape[1]).numpy()
        if len(np.unique(labels)) < 2:
            raise ValueError("svm: the training recordings are all of one class; nothing can be told apart")
        standardised = self._scaler.fit_transform(_rows(train.features))
        with warnings.catch_warnings():  # reported by `converged`
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._machine.fit(standardised, labels)
        self.converged = bool(np.max(self._machine.n_iter_) < MAX_ITERATIONS)
        return self

    def scores(self, features: Tensor) -> Tensor:
        """Return ``(n, C)`` float64, the mean over the sub-clips of their scores for each class.

        A class without a training recording scores minus infinity.

        Args:
            features: ``(n, V, D)``.

        Source: the mean score, not the majority of the sub-clips: docs/methods/dmc.md#worked-examples.
        """
        known = self._machine.decision_function(self._scaler.transform(_rows(features)))
        if known.ndim == 1:  # scikit-learn returns one column for two classes
            known = np.stack([-known, known], 1)
        scores = torch.full((len(known), self.num_classes), -torch.inf, dtype=torch.float64)
        scores[:, torch.from_numpy(self._machine.classes_)] = torch.from_numpy(known)
        return mean_scores(scores.view(*features.shape[:2], self.num_classes))


def mean_scores(scores: Tensor) -> Tensor:
    """Return the scores ``(n, C)`` of recordings, given those ``(n, V, C)`` of their sub-clips."""
    return scores.mean(1)


def _rows(features: Tensor) -> NDArray[np.float64]:
    rows: NDArray[np.float64] = features.flatten(0, 1).double().numpy()
    return rows


def class_accuracy(predicted: Tensor, labels: Tensor) -> float:
    """Return the accuracy of each class in ``labels (n,)``, averaged over these classes.

    Equal to the plain accuracy if all classes are equally frequent, as in ESC-50 and DCASE2014.
    """
    right = (predicted == labels).double()
    return float(torch.stack([right[labels == label].mean() for label in torch.unique(labels)]).mean())


class Judgement(NamedTuple):
    """Accuracy of the SVMs of one cost, and whether their solver converged."""

    accuracy: float
    converged: bool


def judge(train: Recordings, test: Recordings, num_classes: int, cost: float, seed: int = 0) -> Judgement:
    """Fit on ``train`` and predict the classes of ``test`` by the mean score of their sub-clips."""
    machine = OneVsAll(num_classes, cost, seed).fit(train)
    predicted = machine.scores(test.features).argmax(1)
    return Judgement(class_accuracy(predicted, test.labels), machine.converged)
