"""Logistic regression on frozen features, and retrieval with several modalities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from callbacks.evaluation.linear_evaluation import LinearEvaluation
from callbacks.evaluation.retrieval_evaluation import MaxPooledMaps, PooledFeatures, RetrievalEvaluation
from tests._helpers.embedding_modules import CLASSES, ColourData, Embedder, trainer
from unlabelled.metrics.linear import linear_accuracy


def scores_of(callback: Any, data: ColourData, *modalities: str) -> dict[str, float]:
    module = Embedder(*modalities)
    with torch.no_grad():
        if len(modalities) > 1:
            nn.init.zeros_(module.encoders[modalities[1]].mix.weight)
            module.encoders[modalities[1]].mix.weight[0, 0] = 1  # red alone
    (scores,) = trainer(callback).test(module, data, verbose=False)
    return dict(scores)


def colours(data: ColourData, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    return data.splits[split].images.mean((-1, -2)), data.splits[split].labels


def by_hand(data: ColourData, cost: float) -> float:
    """Minimise the loss of the docstring by another optimiser."""
    (rows, labels), (queries, truth) = (
        (part.double().numpy(), labels.numpy())
        for part, labels in (colours(data, s) for s in ("train", "test"))
    )
    mean, std = rows.mean(0), rows.std(0)
    rows, queries = (rows - mean) / std, (queries - mean) / std

    def logits(weights: Any, inputs: Any) -> Any:
        table = weights.reshape(CLASSES, -1)
        return inputs @ table[:, :-1].T + table[:, -1]

    def loss(weights: Any) -> float:
        out = logits(weights, rows)
        losses = np.logaddexp.reduce(out, axis=1) - out[np.arange(len(out)), labels]
        return cost * losses.sum() + (weights.reshape(CLASSES, -1)[:, :-1] ** 2).sum() / 2

    found = minimize(loss, np.zeros(CLASSES * (rows.shape[1] + 1)))
    return float((logits(found.x, queries).argmax(1) == truth).mean())


@pytest.mark.parametrize("cost", [0.001, 1.0])
def test_accuracy_is_that_of_the_regression_done_by_hand(
    cost: float, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ColourData()
    scores = scores_of(LinearEvaluation(cost), data)
    assert scores == {"test/linear_accuracy": pytest.approx(by_hand(data, cost))}
    assert scores["test/linear_accuracy"] > 1.5 / CLASSES
    assert f"linear, C={cost:g}, test" in capsys.readouterr().out


def test_samples_without_label_or_replaced_are_left_out() -> None:
    data, clean = ColourData(), ColourData()
    bank = data.splits["train"]
    bank.images[:10] += 100
    bank.labels[:5], bank.replaced[5:10] = -1, 3
    kept = clean.splits["train"]
    kept.images, kept.labels, kept.replaced = kept.images[10:], kept.labels[10:], kept.replaced[10:]
    assert scores_of(LinearEvaluation(), data) == scores_of(LinearEvaluation(), clean)


def test_modalities_alone_and_side_by_side() -> None:
    scores = scores_of(LinearEvaluation(), ColourData(), "image", "video")
    assert set(scores) == {f"test/linear_accuracy_{name}" for name in ("image", "video", "both")}
    assert scores["test/linear_accuracy_video"] < scores["test/linear_accuracy_image"]


def test_within_fit_it_is_optional() -> None:
    for every, runs in ((None, 0), (2, 1)):
        data = ColourData()
        run = trainer(LinearEvaluation(every_n_epochs=every), max_epochs=2)
        run.fit(Embedder(), datamodule=data)
        assert data.num_banks == runs
        assert ("val/linear_accuracy" in run.callback_metrics) == bool(runs)


def test_wrong_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match="cost=0 must be positive"):
        LinearEvaluation(0)
    with pytest.raises(ValueError, match="use SVMEvaluation"):
        scores_of(LinearEvaluation(), ColourData(several_labels=True))
    rows = torch.randn(4, 2), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(ValueError, match="all training samples are of one class"):
        linear_accuracy(rows, rows, 1.0)


def test_retrieval_in_several_modalities_is_each_by_itself() -> None:
    data, names = ColourData(), ("image", "video")
    both = scores_of(RetrievalEvaluation([1], [PooledFeatures(name) for name in names]), data, *names)
    alone = {
        name: scores_of(RetrievalEvaluation([1], PooledFeatures(name)), data, *names)["test/recall@1"]
        for name in names
    }
    assert both == {f"test/recall@1_{name}": value for name, value in alone.items()}
    assert len(set(alone.values())) == 2
    for wrong in ([], [PooledFeatures("image"), MaxPooledMaps("image")]):
        with pytest.raises(ValueError, match="or a list with one per modality"):
            RetrievalEvaluation(features=wrong)
