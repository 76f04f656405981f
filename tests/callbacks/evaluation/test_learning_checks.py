"""Checks of learning within a run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.demos.boring_classes import BoringModel

from callbacks import LearningChecks
from callbacks.shared.chosen_rows import choose_rows
from tests._helpers.embedding_modules import trainer
from tests._helpers.learning_runs import Embedding, Predicting, StripeData
from tests._helpers.two_processes import in_two_processes

PREDICTED = {
    "score",
    "effective_clusters",
    "agreement/modalities",
    "agreement/heads",
    "agreement/copies",
    "knn_consistency/image",
    "knn_consistency/audio",
    "shortcut/image/colour",
    "shortcut/audio/loudness",
    "shortcut/joint/brightness",
    "loss_over_log_k/image",
    "loss_over_log_k/audio",
}


def fitted(module: Any, data: StripeData, *callbacks: Any, **options: Any) -> Any:
    torch.manual_seed(5)
    run = trainer(*callbacks, **{"max_epochs": 2, "num_sanity_val_steps": 1, **options})
    run.fit(module, datamodule=data)
    return run


@pytest.mark.parametrize("num_val", [40, 0], ids=["validation set", "training samples"])
def test_heads_are_measured(num_val: int) -> None:
    checks = LearningChecks(num_samples=32, num_copied=16)
    run = fitted(Predicting(), StripeData(num_val), checks, max_epochs=15)
    assert checks.measures.keys() >= PREDICTED
    assert "agreement/passes" not in checks.measures  # there were no passes
    assert all(0 <= value <= 5 for value in checks.measures.values())
    assert checks.measures["agreement/heads"] > 0.9  # all heads learn the same labels
    assert checks.measures["score"] == pytest.approx(float(run.callback_metrics["learning/score"]))


def test_features_of_a_method_without_heads_are_clustered() -> None:
    checks = LearningChecks()
    fitted(Embedding(), StripeData(), checks)
    assert checks.measures.keys() >= {name for name in PREDICTED if not name.startswith("loss")}
    assert not any(name.startswith("loss") for name in checks.measures)


@pytest.mark.parametrize("num_val", [40, 0], ids=["validation set", "training samples"])
def test_a_run_is_the_same_with_and_without_checks(num_val: int) -> None:
    """Weights and running statistics do not change, and no random number is drawn."""
    weights, draws = [], []
    for callbacks in ([], [LearningChecks(num_samples=16, num_copied=16)]):
        module = Predicting()
        fitted(module, StripeData(num_val), *callbacks, max_epochs=3)
        weights.append(module.state_dict())
        draws.append(torch.rand(4))
        assert module.training
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert torch.equal(*draws)


def test_a_checkpoint_is_measured_as_at_the_end_of_its_run() -> None:
    module, during, after = Predicting(), LearningChecks(), LearningChecks(on_validate=True)
    fitted(module, StripeData(), during)
    trainer(LearningChecks()).validate(module, StripeData(), verbose=False)
    (logged,) = trainer(after).validate(module, StripeData(), verbose=False)
    assert after.measures == pytest.approx(during.measures)
    assert logged["learning/score"] == pytest.approx(during.measures["score"])


def test_when_checks_are_due() -> None:
    data = StripeData()
    fitted(Embedding(), data, LearningChecks(every_n_epochs=3), max_epochs=5)
    assert data.passes == 2  # after epoch 3 and after the last


def test_pseudo_labels_are_compared_with_those_of_the_last_check(tmp_path: Path) -> None:
    checks, module = LearningChecks(), Predicting(pass_labels=48)
    run = fitted(module, StripeData(), checks, max_epochs=1)
    assert "agreement/passes" not in checks.measures
    again = LearningChecks()
    again.load_state_dict(checks.state_dict())
    module.pseudo_labels.table[:] = module.pseudo_labels.table[torch.randperm(48)]
    fitted(module, StripeData(), again, max_epochs=1)
    assert again.measures["agreement/passes"] < 0.5
    fitted(module, StripeData(), again, max_epochs=1)
    assert again.measures["agreement/passes"] == pytest.approx(1)
    assert run.callback_metrics["learning/score"] >= 0


def test_a_finding_is_logged_once_and_over_a_resume(caplog: pytest.LogCaptureFixture) -> None:
    module = Embedding()
    with torch.no_grad():
        next(module.parameters()).fill_(torch.nan)
    checks = LearningChecks()
    with caplog.at_level(logging.WARNING):
        fitted(module, StripeData(), checks, max_epochs=3)
    assert caplog.text.count("the features are not finite: the run has diverged") == 1
    resumed = LearningChecks()
    resumed.load_state_dict(checks.state_dict())
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        fitted(module, StripeData(), resumed, max_epochs=1)
    assert "diverged" not in caplog.text


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="num_samples=3"):
        LearningChecks(num_samples=3)
    with pytest.raises(ValueError, match="every_n_epochs must be at least 1"):
        LearningChecks(every_n_epochs=0)
    with pytest.raises(MisconfigurationException, match="which BoringModel is not"):
        trainer(LearningChecks(), max_epochs=1).fit(BoringModel())


def test_rows_are_chosen_by_the_seed() -> None:
    assert choose_rows(5, 8, "x") == [0, 1, 2, 3, 4]
    chosen = choose_rows(1000, 8, "x")
    assert chosen == sorted(set(chosen)) == choose_rows(1000, 8, "x") != choose_rows(1000, 8, "y")


def _measures(folder: str) -> dict[str, float]:
    checks = LearningChecks(num_samples=32, num_copied=16)
    options = {"devices": 2, "strategy": "ddp"} if folder else {}
    module = Predicting()
    module.rate = 0.0  # as trained on other batches the weights would differ
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 0.0
    fitted(module, StripeData(), checks, max_epochs=1, limit_train_batches=1, **options)
    return checks.measures


def test_two_processes_measure_what_one_does(tmp_path: Path) -> None:
    alone = _measures("")
    for measures in in_two_processes(_measures, tmp_path):
        assert measures == pytest.approx(alone, abs=1e-6)
