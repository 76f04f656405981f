"""Logistic regression and the scores of many-shot transfer, compared with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, precision_recall_curve

from unlabelled.metrics import (
    LinearClassifier,
    eleven_point_precision,
    fit_logistic_regression,
    mean_class_accuracy,
)


def samples(classes: int = 4, count: int = 120, dim: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(classes, (count,), generator=generator)
    centres = torch.randn(classes, dim, generator=generator)
    return centres[labels] + 1.5 * torch.randn(count, dim, generator=generator), labels


def reference(features: torch.Tensor, labels: torch.Tensor, cost: float) -> LogisticRegression:
    return LogisticRegression(C=cost, tol=1e-10, max_iter=10_000).fit(
        features.double().numpy(), labels.numpy()
    )


@pytest.mark.parametrize("cost", [1e-4, 0.1, 10.0, 1e4])
def test_multinomial_regression_is_scikit_learns(cost: float) -> None:
    features, labels = samples()
    found, expected = fit_logistic_regression(features, labels, 4, cost), reference(features, labels, cost)
    np.testing.assert_allclose(found.weight, expected.coef_, atol=2e-4)
    bias = found.bias - found.bias.mean()  # a constant added to all biases changes nothing
    np.testing.assert_allclose(bias, expected.intercept_ - expected.intercept_.mean(), atol=2e-4)


@pytest.mark.parametrize("cost", [0.01, 1.0, 100.0])
def test_each_class_of_many_is_scikit_learns_binary_regression_without_ignored_samples(cost: float) -> None:
    features, labels = samples()
    several = torch.stack([labels == 0, labels <= 1, labels == 3], 1).long()
    several[::7, 1] = -1
    found = fit_logistic_regression(features, several, 3, cost)
    for number in range(3):
        used = several[:, number] != -1
        expected = reference(features[used], several[used, number], cost)
        np.testing.assert_allclose(found.weight[number], expected.coef_[0], atol=5e-4)
        np.testing.assert_allclose(found.bias[number], expected.intercept_[0], atol=5e-4)


def test_the_start_does_not_change_the_minimum() -> None:
    features, labels = samples()
    cold = fit_logistic_regression(features, labels, 4, 1.0)
    warm = fit_logistic_regression(
        features, labels, 4, 1.0, fit_logistic_regression(features, labels, 4, 9.0)
    )
    torch.testing.assert_close(cold.weight, warm.weight, atol=1e-4, rtol=0)


def test_scores_are_linear() -> None:
    classifier = LinearClassifier(torch.eye(2).double(), torch.tensor([1.0, 0.0]).double())
    assert classifier.scores(torch.tensor([[2.0, 5.0]])).tolist() == [[3.0, 5.0]]


@pytest.mark.parametrize(
    ("labels", "cost", "message"),
    [
        (torch.tensor([0, 3]), 1.0, "must be from 0 to 1"),
        (torch.tensor([0]), 1.0, r"labels have shape \(1,\); expected \(2,\) or \(2, 2\)"),
        (torch.tensor([0, 1]), 0.0, "cost=0.0 must be positive"),
    ],
)
def test_wrong_arguments_are_refused(labels: torch.Tensor, cost: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_logistic_regression(torch.zeros(2, 3), labels, 2, cost)


def test_eleven_points_are_those_of_the_development_kit() -> None:
    generator = np.random.default_rng(0)
    for total in (3, 7, 23):  # no recall is a tenth, where rounding would decide
        relevant = np.zeros(60, int)
        relevant[:total] = 1
        scores = generator.normal(size=60) + relevant
        precision, recall, _ = precision_recall_curve(relevant, scores)
        precision, recall = precision[:-1], recall[:-1]  # without the point that scikit-learn adds
        expected = np.mean([precision[recall >= t].max() for t in np.linspace(0, 1, 11)])
        found = eleven_point_precision(torch.from_numpy(scores), torch.from_numpy(relevant))
        assert found == pytest.approx(expected)


def test_eleven_points_by_hand() -> None:
    # Ranks 1 and 4 of four: recall 0.5 with precision 1, recall 1 with precision 0.5.
    scores, relevant = torch.tensor([4.0, 3, 2, 1]), torch.tensor([1, 0, 0, 1])
    assert eleven_point_precision(scores, relevant) == pytest.approx((6 * 1 + 5 * 0.5) / 11)
    with_ignored = torch.tensor([1, -1, -1, 1])
    assert eleven_point_precision(scores, with_ignored) == pytest.approx(1.0)
    # Ten relevant samples, one irrelevant above the last seven: at recall 0.3 the precision is still 1.
    relevant = torch.tensor([1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1])
    assert eleven_point_precision(torch.arange(11.0, 0, -1), relevant) == pytest.approx(
        (4 + 7 * 10 / 11) / 11
    )
    assert np.isnan(eleven_point_precision(scores, torch.zeros(4)))


def test_mean_class_accuracy_is_scikit_learns_balanced_accuracy() -> None:
    generator = np.random.default_rng(0)
    labels = generator.choice([0, 1, 2, 5], size=80, p=[0.6, 0.2, 0.1, 0.1])
    predicted = np.where(generator.random(80) < 0.6, labels, generator.integers(0, 6, 80))
    expected = balanced_accuracy_score(labels, predicted)
    found = mean_class_accuracy(torch.from_numpy(predicted), torch.from_numpy(labels))
    assert found == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match="there is no sample"):
        mean_class_accuracy(torch.tensor([], dtype=torch.int64), torch.tensor([], dtype=torch.int64))
