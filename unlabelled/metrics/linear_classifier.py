"""A linear classifier on features, fitted once."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

_ITERATIONS = 2000


def linear_accuracy(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], cost: float) -> float:
    """Fit multinomial logistic regression, and return the share of test samples that it gets right.

    Each dimension is brought to mean 0 and variance 1 on the training samples. Deterministic.

    Args:
        train: Features ``(n, D)`` and classes ``(n,)``.
        test: Likewise.
        cost: C: the summed loss weighs this much against half the squared weights.

    Raises:
        ValueError: The training samples are all of one class.
    """
    classes = train[1].numpy()
    if len(np.unique(classes)) < 2:
        raise ValueError(
            "linear classifier: all training samples are of one class; there is nothing to learn"
        )
    model = make_pipeline(StandardScaler(), LogisticRegression(C=cost, max_iter=_ITERATIONS))
    model.fit(train[0].double().numpy(), classes)
    return float(model.score(test[0].double().numpy(), test[1].numpy()))
