"""Audio classification: two processes give the scores of one, and fail together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from callbacks import AudioSVMEvaluation
from tests._helpers.audio_modules import AudioModule, FoldedRecordings, RecordingData
from tests._helpers.embedding_modules import trainer
from tests._helpers.two_processes import in_two_processes


def run(**options: Any) -> dict[str, float]:
    """Test with a bank and with folds; return all scores."""
    scores: dict[str, float] = {}
    for name, data in (("bank", RecordingData()), ("folds", FoldedRecordings())):
        data.splits["test"].replaced[[1, 3]] = 0
        callback = AudioSVMEvaluation((2, 2), [1e-3, 1e-1])
        (each,) = trainer(callback, **options).test(AudioModule(), data, verbose=False)
        scores |= {f"{name} {key}": value for key, value in each.items()}
    return scores


def _process(folder: str) -> Any:
    options = {"devices": 2, "strategy": "ddp"}
    scores = run(**options)
    data = RecordingData()
    data.splits["train"].labels[data.splits["train"].labels == 2] = 1
    error = (ValueError, RuntimeError)[int(os.environ["RANK"])]
    with pytest.raises(error, match="no training recording"):  # on both ranks
        trainer(AudioSVMEvaluation(), **options).test(AudioModule(), data, verbose=False)
    return scores


def test_two_processes_classify_like_one(tmp_path: Path) -> None:
    processes = in_two_processes(_process, tmp_path)
    alone = run()
    assert {"bank test/audio_svm_cost", "folds test/audio_svm_accuracy_std"} < set(alone)
    for found in processes:
        assert found == pytest.approx(alone)
