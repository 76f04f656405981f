"""Zero-shot evaluations: two processes give the scores of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from callbacks.evaluation.step_localisation import StepLocalisation
from callbacks.evaluation.zero_shot_classification import ZeroShotClassification
from callbacks.evaluation.zero_shot_retrieval import ZeroShotRetrieval
from tests._helpers.embedding_modules import trainer
from tests._helpers.two_processes import in_two_processes
from tests._helpers.zero_shot_sets import Classes, FeatureModule, Pairs, SetData, Steps


def run(**options: Any) -> dict[str, float]:
    """Fit without learning, and test; return all scores."""
    averaged = ZeroShotRetrieval(["text->video"], average_by_title=True)
    callbacks: list[Any] = [
        ZeroShotRetrieval(["text->video+audio", "audio->video"]),
        ZeroShotClassification("video", restarts=2, seeds=2),
        StepLocalisation("text->video"),
    ]
    pairs, classes = Pairs("pairs", 61, 0, missing=3), Classes("actions", 47, 4, 0)
    pairs.rows.columns["replaced"][[4, 9]] = 0
    classes.rows.columns["label"][5:9] = -1
    data = SetData(pairs, classes, Steps("cooking", [9, 7, 12, 3, 5, 2], 0))
    trainer(*callbacks, max_steps=1, num_sanity_val_steps=1, **options).fit(FeatureModule(), datamodule=data)
    scores = {
        f"before {row} {name}": value
        for callback in callbacks
        for row, values in callback.before.items()
        for name, value in values.items()
    }
    for part in trainer(*callbacks, **options).test(FeatureModule(), data, verbose=False):
        scores |= part
    for part in trainer(averaged, **options).test(
        FeatureModule(), SetData(Pairs("shared", 30, 0)), verbose=False
    ):
        scores |= part
    classes.rows.columns["video"][3] = torch.nan  # on one rank; the others must not wait
    with pytest.raises((ValueError, RuntimeError), match=r"NaN|on rank 0"):
        trainer(callbacks[1], **options).test(FeatureModule(), data, verbose=False)
    return scores


def _process(folder: str) -> Any:
    return run(devices=2, strategy="ddp")


def test_two_processes_score_like_one(tmp_path: Path) -> None:
    processes = in_two_processes(_process, tmp_path)
    alone = run()
    assert {
        "before pairs, text_to_video+audio R@5",
        "test/pairs/audio_to_video/recall@1",
        "test/actions/video/accuracy",
        "test/cooking/text_to_video/recall",
        "test/shared/text_to_video/median_rank",
    } < set(alone)
    for found in processes:
        assert found == pytest.approx(alone)
