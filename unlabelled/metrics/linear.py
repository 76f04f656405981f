"""Linear classifiers on features: SVMs of one class against the rest, and logistic regression."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unlabelled.metrics.average_precision import IGNORED, average_precision

_ITERATIONS = 2000
_EPSILON = 1e-5  # as in the published protocol: features / (norm + epsilon)


def unit_rows(features: Tensor) -> Tensor:
    """Divide the rows of ``(n, D)`` by their L2 norm + 1e-5."""
    norms: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    return features / (norms + _EPSILON)


def one_vs_rest(labels: Tensor, num_classes: int) -> Tensor:
    """Return labels ``(n, C)`` int64: 1 for samples of the class, 0 for others, -1 for those to ignore.

    Args:
        labels: ``(n,)`` classes, or ``(n, C)`` labels, which are returned unchanged.
        num_classes: C.

    Raises:
        ValueError: Wrong shape, or a class outside 0 to C - 1.
    """
    if labels.ndim == 2 and labels.shape[1] == num_classes:
        return labels.long()
    if labels.ndim != 1 or (len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes):
        raise ValueError(
            f"svm: labels have shape {tuple(labels.shape)}; expected (n,) with classes from 0 to "
            f"{num_classes - 1}, or (n, {num_classes}): check the data module's class_names"
        )
    return torch.nn.functional.one_hot(labels.long(), num_classes)


def draw_shots(labels: Tensor, shots: int, rng: np.random.Generator) -> Tensor:
    """Draw ``shots`` samples of each class and return their rows ``(C * shots,)``.

    A sample of several classes keeps all its labels. It may be drawn for each class, and then occurs
    repeatedly.

    Args:
        labels: ``(n, C)``, see :func:`one_vs_rest`.
        shots: Samples per class.
        rng: Random generator.

    Raises:
        ValueError: A class has fewer samples.

    Source: salesforce/PCL, voc.py, ``convert_low_shot``; docs/methods/sce.md#low-shot-svm.
    """
    rows = []
    for number, column in enumerate((labels == 1).T):
        candidates = column.nonzero().flatten().numpy()
        if len(candidates) < shots:
            raise ValueError(
                f"svm: class {number} has {len(candidates)} training samples, fewer than the {shots} shots; "
                "lower the number of shots"
            )
        rows.append(rng.choice(candidates, size=shots, replace=False))
    return torch.from_numpy(np.concatenate(rows))


def svm_average_precision(
    train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], cost: float, seed: int = 0
) -> float:
    """Fit one class against the rest; return the average precision on the test set.

    It is ``nan`` if the test set has no sample of the class.

    Args:
        train: Features ``(n, D)`` and labels ``(n,)``: 1, 0, or -1 to leave a sample out.
        test: Features and labels of the test set.
        cost: C of the support vector machine.
        seed: Seed of the coordinate order of the solver.

    Raises:
        ValueError: All training samples are of the class, or none is.

    Source: salesforce/PCL, eval_svm_voc.py: squared hinge, L2, weight 2 of positives, at most 2000
    iterations; docs/methods/sce.md#low-shot-svm.
    """
    from sklearn.svm import LinearSVC

    used = train[1] != IGNORED
    targets = np.where(train[1][used].numpy() == 1, 1, -1)
    if len(np.unique(targets)) < 2:
        raise ValueError("svm: the training samples of a class against the rest are all alike")
    machine = LinearSVC(
        C=cost,
        class_weight={1: 2, -1: 1},
        dual=True,
        tol=1e-4,
        max_iter=_ITERATIONS,
        intercept_scaling=1.0,
        random_state=seed,
    )
    machine.fit(train[0][used].numpy(), targets)
    return average_precision(torch.from_numpy(machine.decision_function(test[0].numpy())), test[1])


def linear_accuracy(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], cost: float) -> float:
    """Fit multinomial logistic regression and return its accuracy on the test set.

    Each dimension is standardised to mean 0 and variance 1 on the training samples. The fit is deterministic.

    Args:
        train: Features ``(n, D)`` and classes ``(n,)``.
        test: Features and classes of the test set.
        cost: C, the weight of the summed loss relative to half the squared weights.

    Raises:
        ValueError: All training samples are of one class.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classes = train[1].numpy()
    if len(np.unique(classes)) < 2:
        raise ValueError(
            "linear classifier: all training samples are of one class; there is nothing to learn"
        )
    model = make_pipeline(StandardScaler(), LogisticRegression(C=cost, max_iter=_ITERATIONS))
    model.fit(train[0].double().numpy(), classes)
    return float(model.score(test[0].double().numpy(), test[1].numpy()))


def mean_class_accuracy(predicted: Tensor, labels: Tensor) -> float:
    """Return the mean over the classes that occur of the share of their samples predicted right.

    Args:
        predicted: Classes ``(n,)``.
        labels: True classes ``(n,)``.

    Raises:
        ValueError: There is no sample.

    Example:
        >>> mean_class_accuracy(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 1, 1]))
        0.75
    """
    if not len(labels):
        raise ValueError("mean accuracy per class: there is no sample")
    sizes = torch.bincount(labels)
    right = torch.bincount(labels[predicted == labels], minlength=len(sizes))
    return float((right[sizes > 0] / sizes[sizes > 0]).double().mean())
