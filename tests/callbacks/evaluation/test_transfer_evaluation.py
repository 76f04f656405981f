"""Many-shot transfer: the penalty of the best validation score, and scikit-learn's score at it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from callbacks import TransferEvaluation
from tests._helpers.embedding_modules import ColourData, Embedder, trainer
from unlabelled.metrics import eleven_point_precision
from unlabelled.seeding import numpy_generator

PENALTIES = np.logspace(-6, 5, 12)


class OfficialColours(ColourData):
    """Names every fourth row of the bank for validation."""

    transfer_score = "accuracy_per_class"

    def validation_rows(self) -> list[int]:
        return list(range(0, len(self.splits["train"].labels), 4))


def colours(data: ColourData, split: str) -> tuple[np.ndarray, np.ndarray]:
    images = data.splits[split].images
    return images.mean((-1, -2)).double().numpy(), data.splits[split].labels.numpy()


def scores_of(callback: TransferEvaluation, data: ColourData) -> dict[str, float]:
    (scores,) = trainer(callback).test(Embedder(), data, verbose=False)
    return dict(scores)


def by_scikit_learn(data: ColourData, validation: np.ndarray, score: Any) -> tuple[float, float]:
    """Choose the penalty, smallest of equal ones, and score the test samples, as the published code does."""
    (features, labels), (queries, truth) = colours(data, "train"), colours(data, "test")

    def fitted(penalty: float, keep: np.ndarray) -> LogisticRegression:
        return LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=20_000).fit(features[keep], labels[keep])

    best, chosen = -1.0, 0.0
    for penalty in PENALTIES:
        found = score(labels[validation], fitted(penalty, ~validation).predict(features[validation]))
        if found > best:
            best, chosen = found, penalty
    everything = np.ones(len(labels), bool)
    return chosen, score(truth, fitted(chosen, everything).predict(queries))


def test_official_validation_rows_choose_the_penalty(capsys: pytest.CaptureFixture[str]) -> None:
    data = OfficialColours()
    scores = scores_of(TransferEvaluation(num_costs=12), data)
    validation = np.arange(len(data.splits["train"].labels)) % 4 == 0
    penalty, expected = by_scikit_learn(data, validation, balanced_accuracy_score)
    assert scores["test/transfer_penalty"] == pytest.approx(penalty)
    assert scores["test/transfer_score"] == pytest.approx(expected, abs=1e-6)
    assert "accuracy_per_class" in capsys.readouterr().out


def test_other_data_validate_on_a_drawn_share() -> None:
    data = ColourData()
    scores = scores_of(TransferEvaluation(num_costs=12, validation_share=0.3, seed=5), data)
    count = len(data.splits["train"].labels)
    validation = np.zeros(count, bool)
    validation[numpy_generator(5, "transfer validation").permutation(count)[: int(0.3 * count)]] = True
    penalty, expected = by_scikit_learn(data, validation, lambda truth, found: float((truth == found).mean()))
    assert scores["test/transfer_penalty"] == pytest.approx(penalty)
    assert scores["test/transfer_score"] == pytest.approx(expected, abs=1e-6)


def several(data: ColourData) -> None:
    """Give each sample the labels of two classes, and -1 where a class ignores it."""
    for split in data.splits.values():
        classes = int(split.labels.max()) + 1
        rows = torch.nn.functional.one_hot(split.labels, classes)
        rows[:, 0] = ((split.labels == 0) | (split.labels == 1)).long()
        rows[::9, 1] = -1
        split.labels = rows


def test_several_labels_have_binary_regressions_and_eleven_points() -> None:
    data = ColourData()
    several(data)
    callback = TransferEvaluation(score="map_11_points", num_costs=1, penalties=(0.1, 0.1))
    found = scores_of(callback, data)["test/transfer_score"]
    (features, labels), (queries, truth) = colours(data, "train"), colours(data, "test")
    expected = []
    for number in range(labels.shape[1]):
        used = labels[:, number] != -1
        model = LogisticRegression(C=10, tol=1e-8, max_iter=20_000)
        model.fit(features[used], labels[used, number])
        ranked = torch.from_numpy(model.decision_function(queries))
        expected.append(eleven_point_precision(ranked, torch.from_numpy(truth[:, number])))
    assert found == pytest.approx(np.mean(expected), abs=1e-6)


def test_scores_and_labels_must_fit() -> None:
    with pytest.raises(ValueError, match="the score map_11_points does not fit labels of shape"):
        scores_of(TransferEvaluation(score="map_11_points", num_costs=1), ColourData())
    with pytest.raises(ValueError, match="0 to validate on"):
        scores_of(TransferEvaluation(num_costs=1, validation_share=1e-3), ColourData())


@pytest.mark.parametrize(
    "options",
    [{"num_costs": 0}, {"penalties": (1.0, 0.1)}, {"penalties": (0.0, 1.0)}, {"validation_share": 1.0}],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected at least 1"):
        TransferEvaluation(**options)
