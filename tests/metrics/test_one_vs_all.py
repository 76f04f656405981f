"""One SVM per class against the rest; recordings classified by the mean score of their sub-clips."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC
from torch import Tensor

from unlabelled.metrics import audio_svm
from unlabelled.metrics.audio_svm import OneVsAll, Recordings, class_accuracy, judge


def noisy(
    seed: int, count: int, clips: int = 4, classes: int = 3, dim: int = 6, noise: float = 2.0
) -> Recordings:
    """Recordings around one point per class, far from unit scale."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(classes, dim))
    labels = np.arange(count) % classes
    features = centres[labels][:, None] + noise * rng.normal(size=(count, clips, dim))
    scale = 10.0 ** np.arange(dim)
    return Recordings(
        torch.from_numpy((features * scale + 3 * scale).astype(np.float32)), torch.tensor(labels)
    )


def brute_force(train: Recordings, features: Tensor, classes: int, cost: float) -> Tensor:
    """Standardise by hand, fit each class with a machine of its own, and loop over the sub-clips."""
    rows = np.concatenate([clips.double().numpy() for clips in train.features])
    labels = np.concatenate([[int(label)] * train.features.shape[1] for label in train.labels])
    mean, std = rows.mean(0), rows.std(0)
    out = torch.zeros(len(features), classes, dtype=torch.float64)
    for label in range(classes):
        machine = LinearSVC(C=cost, dual=True, max_iter=100_000, tol=1e-8)
        machine.fit((rows - mean) / std, np.where(labels == label, 1, -1))
        for row, clips in enumerate(features):
            scores = [machine.decision_function((clip.numpy()[None] - mean) / std)[0] for clip in clips]
            out[row, label] = sum(scores) / len(scores)
    return out


@pytest.mark.parametrize("classes", [2, 3])
def test_scores_are_those_of_separate_machines(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_svm, "MAX_ITERATIONS", 100_000)
    train, test = noisy(1, 24, classes=classes), noisy(2, 10, classes=classes)
    machine = OneVsAll(classes, 0.1)
    machine._machine.set_params(tol=1e-8)
    machine.fit(train)
    assert machine.converged
    expected = brute_force(train, test.features, classes, 0.1)
    torch.testing.assert_close(machine.scores(test.features), expected, atol=1e-4, rtol=1e-4)
    right = (expected.argmax(1) == test.labels).double().tolist()
    by_class = [
        np.mean([r for r, y in zip(right, test.labels, strict=True) if y == c]) for c in range(classes)
    ]
    assert judge(train, test, classes, 0.1).accuracy == pytest.approx(np.mean(by_class))


def test_the_mean_score_decides_not_the_majority() -> None:
    # docs/methods/dmc.md#worked-examples
    scores = torch.tensor([[[0.2, 0.1, -1], [0.15, 0.1, -1], [-2, 1.5, -1]]])
    machine = OneVsAll(3, cost=1.0)
    machine._scaler = SimpleNamespace(transform=lambda rows: rows)
    machine._machine = SimpleNamespace(decision_function=lambda rows: rows, classes_=np.arange(3))
    found = machine.scores(scores)
    torch.testing.assert_close(found[0], torch.tensor([-0.55, 0.5666667, -1], dtype=torch.float64))
    assert found.argmax(1).tolist() == [1]
    assert scores.argmax(2).mode().values.tolist() == [0]


def test_a_linear_machines_mean_score_is_the_score_of_the_mean_sub_clip() -> None:
    train, test = noisy(1, 24), noisy(2, 10)
    machine = OneVsAll(3, 0.1).fit(train)
    of_means = machine.scores(test.features.double().mean(1, keepdim=True))
    torch.testing.assert_close(machine.scores(test.features), of_means)


def test_the_scale_of_features_does_not_matter() -> None:
    train, test = noisy(1, 24), noisy(2, 10)
    other = Recordings(train.features * 7 - 2, train.labels)
    one, two = OneVsAll(3, 0.1).fit(train), OneVsAll(3, 0.1).fit(other)
    torch.testing.assert_close(
        one.scores(test.features), two.scores(test.features * 7 - 2), atol=1e-3, rtol=1e-3
    )


def test_a_constant_feature_is_harmless() -> None:
    train = noisy(1, 24)
    train.features[..., 2] = 5.0
    assert torch.isfinite(OneVsAll(3, 0.1).fit(train).scores(train.features)).all()


def test_a_class_without_training_recordings_is_never_predicted() -> None:
    train = noisy(1, 24)
    train = train.where(train.labels != 1)
    scores = OneVsAll(3, 0.1).fit(train).scores(noisy(2, 9).features)
    assert torch.isneginf(scores[:, 1]).all()
    assert torch.isfinite(scores[:, [0, 2]]).all()
    with pytest.raises(ValueError, match="all of one class"):
        OneVsAll(3, 0.1).fit(train.where(train.labels == 0))


def test_an_unfinished_solver_is_noticed_without_a_warning(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(audio_svm, "MAX_ITERATIONS", 1)
    assert not judge(noisy(1, 24), noisy(2, 9), 3, 100.0).converged
    assert not [warning for warning in recwarn if "converge" in str(warning.message)]


def test_class_accuracy_weights_classes_equally() -> None:
    predicted, labels = torch.tensor([0, 0, 0, 0, 2]), torch.tensor([0, 0, 0, 2, 2])
    assert class_accuracy(predicted, labels) == pytest.approx((1 + 0.5) / 2)
