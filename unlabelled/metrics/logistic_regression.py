"""Logistic regression with an L2 penalty, fitted to convergence by L-BFGS on any device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unlabelled.metrics.average_precision import IGNORED

_ITERATIONS = 1000
_GRADIENT = 1e-6  # largest entry of the gradient of the mean loss at the end
_CORRECTIONS = 10  # pairs of the limited memory


@dataclass(frozen=True)
class LinearClassifier:
    """Weights ``(C, D)`` and biases ``(C,)`` of a linear classifier."""

    weight: Tensor
    bias: Tensor

    def scores(self, features: Tensor) -> Tensor:
        """Return the scores ``(n, C)`` of features ``(n, D)``: larger means more likely."""
        return F.linear(features.to(self.weight), self.weight, self.bias)


def fit_logistic_regression(
    features: Tensor, labels: Tensor, num_classes: int, cost: float, start: LinearClassifier | None = None
) -> LinearClassifier:
    """Minimise ``cost`` times the summed cross-entropy plus half the squared weights, without the biases.

    The minimum is unique up to a constant added to all biases. It is found in float64 on the device of the
    features, 8 N D bytes.

    Args:
        features: ``(N, D)``.
        labels: Classes ``(N,)`` of one multinomial regression; or ``(N, C)``, 1: of the class, 0: not, -1: to
            be ignored, for C independent binary regressions.
        num_classes: C.
        cost: Inverse of the penalty.
        start: Classifier to start from, such as that of a neighbouring cost.

    Raises:
        ValueError: ``cost`` is not positive, or labels have another shape or are outside 0 to C - 1.

    Example:
        >>> features = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
        >>> classifier = fit_logistic_regression(features, torch.tensor([0, 0, 1, 1]), 2, cost=10.0)
        >>> classifier.scores(features).argmax(1).tolist()
        [0, 0, 1, 1]
    """
    from scipy.optimize import minimize

    _check(labels, len(features), num_classes, cost)
    inputs, dim = features.double(), features.shape[1]
    penalty = 1 / (cost * max(len(inputs), 1))  # of the mean loss

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = torch.from_numpy(flat).to(inputs.device).view(num_classes, dim + 1)
        weight, bias = parameters[:, :-1], parameters[:, -1]
        loss, slope = _loss(F.linear(inputs, weight, bias), labels)
        gradient = torch.cat([slope.T @ inputs + penalty * weight, slope.sum(0)[:, None]], 1)
        value = loss + penalty / 2 * weight.square().sum()
        return float(value), gradient.flatten().cpu().numpy()

    initial = torch.zeros(num_classes, dim + 1, dtype=torch.float64)
    if start is not None:
        initial = torch.cat([start.weight, start.bias[:, None]], 1).double().cpu()
    found = minimize(
        objective,
        initial.flatten().numpy(),
        method="L-BFGS-B",
        jac=True,
        options={"maxiter": _ITERATIONS, "gtol": _GRADIENT, "ftol": 0.0, "maxcor": _CORRECTIONS, "maxls": 50},
    )
    parameters = torch.from_numpy(found.x).to(inputs.device).view(num_classes, dim + 1)
    return LinearClassifier(parameters[:, :-1].contiguous(), parameters[:, -1].contiguous())


def _check(labels: Tensor, samples: int, num_classes: int, cost: float) -> None:
    if not cost > 0:
        raise ValueError(f"logistic regression: cost={cost} must be positive")
    if labels.shape not in ((samples,), (samples, num_classes)):
        raise ValueError(
            f"logistic regression: labels have shape {tuple(labels.shape)}; expected ({samples},) or "
            f"({samples}, {num_classes})"
        )
    if labels.ndim == 1 and samples and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        raise ValueError(f"logistic regression: labels must be from 0 to {num_classes - 1}")


def _loss(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean loss ``()``, and its gradient with respect to the scores ``(N, C)``."""
    samples = max(len(scores), 1)
    if labels.ndim == 1:
        log_probs, target = scores.log_softmax(1), F.one_hot(labels.long(), scores.shape[1])
        loss = F.nll_loss(log_probs, labels.long(), reduction="sum")
        return loss / samples, (log_probs.exp() - target) / samples
    used, target = (labels != IGNORED).double(), (labels == 1).double()
    loss = F.binary_cross_entropy_with_logits(scores, target, used, reduction="sum")
    return loss / samples, used * (scores.sigmoid() - target) / samples
