"""Audio classification by SVMs on the feature maps of the audio encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from lightning import LightningModule
from lightning.fabric.utilities.exceptions import MisconfigurationException
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import Tensor

from callbacks.evaluation.audio_svm_evaluation import AudioSVMEvaluation, as_table, remarks, summary
from callbacks.evaluation.sub_clip_features import grid_maxima, sub_clip_features
from tests._helpers.audio_modules import CLASSES, AudioModule, FoldedRecordings, RecordingData
from tests._helpers.embedding_modules import Embedder, trainer
from unlabelled.encoders import AudioTokens, ClipAudio, DAVEnetV2, L3Audio
from unlabelled.metrics.audio_svm import Result


def scores_of(callback: Any, data: Any, module: LightningModule | None = None) -> dict[str, float]:
    (scores,) = trainer(callback).test(module or AudioModule(), data, verbose=False)
    return dict(scores)


def features(data: RecordingData, split: str, grid: str) -> np.ndarray[Any, Any]:
    """Compute ``(n, V, D)`` by loops over positions, recordings and sub-clips."""
    audio = data.splits[split].audio
    audio = audio if audio.ndim == 5 else audio.unsqueeze(1)
    rows = []
    for recording in audio:
        for clip in recording:
            maps = torch.cat([clip, -clip])  # (2, 5, 4)
            parts = [
                maps[:, :3, :2],
                maps[:, :3, 2:],
                maps[:, 2:, :2],
                maps[:, 2:, 2:],
            ]  # as adaptive pooling
            pooled = {
                "2x2": lambda parts=parts: torch.stack([part.amax((1, 2)) for part in parts], 1).flatten(),
                "1x1": lambda maps=maps: maps.amax((1, 2)),
                "mean": lambda maps=maps: maps.mean((1, 2)),
            }
            rows.append(pooled[grid]().numpy())
    return np.stack(rows).reshape(len(audio), audio.shape[1], -1)


def accuracy(train: Any, labels: Any, test: Any, truth: Any, cost: float) -> float:
    """Compute the accuracy by scikit-learn's one-vs-rest of pipelines and a loop over recordings."""
    flat = train.reshape(-1, train.shape[2])
    svm = LinearSVC(C=cost, dual=False, tol=1e-6)
    model = make_pipeline(StandardScaler(), OneVsRestClassifier(svm)).fit(
        flat, np.repeat(labels, train.shape[1])
    )
    right: dict[int, list[bool]] = {}
    for clips, label in zip(test, truth, strict=True):
        mean_score = model.decision_function(clips).mean(0)
        right.setdefault(int(label), []).append(int(mean_score.argmax()) == label)
    return float(np.mean([np.mean(each) for each in right.values()]))


@pytest.mark.parametrize(("grid", "name"), [((2, 2), "2x2"), ((1, 1), "1x1"), (None, "mean")])
@pytest.mark.parametrize("clips", [0, 3])
def test_held_out_recordings(
    grid: tuple[int, int] | None, name: str, clips: int, capsys: pytest.CaptureFixture[str]
) -> None:
    data = RecordingData(clips)
    scores = scores_of(AudioSVMEvaluation(grid, [0.1]), data)
    expected = accuracy(
        features(data, "train", name),
        data.splits["train"].labels.numpy(),
        features(data, "test", name),
        data.splits["test"].labels.numpy(),
        0.1,
    )
    assert scores == pytest.approx({"test/audio_svm_accuracy": expected, "test/audio_svm_cost": 0.1})
    text = capsys.readouterr().out
    assert "held out, C=0.1" in text
    assert "accuracy" in text


def test_folds(capsys: pytest.CaptureFixture[str]) -> None:
    data = FoldedRecordings()
    scores = scores_of(AudioSVMEvaluation((2, 2), [0.1]), data)
    folds, labels = np.array(data.folds("test")), data.splits["test"].labels.numpy()
    gathered = features(data, "test", "2x2")
    expected = [
        accuracy(gathered[folds != n], labels[folds != n], gathered[folds == n], labels[folds == n], 0.1)
        for n in (1, 2, 3, 4)
    ]
    assert scores["test/audio_svm_accuracy"] == pytest.approx(np.mean(expected))
    assert scores["test/audio_svm_accuracy_std"] == pytest.approx(np.std(expected), abs=1e-6)
    assert len(set(expected)) > 1
    assert max(expected) > 1 / CLASSES
    text = capsys.readouterr().out
    assert "fold 4, C=0.1" in text
    assert f"mean (std {np.std(expected):.3f})" in text


def test_costs_are_chosen_and_reproducible() -> None:
    callback = {"grid": (2, 2), "costs": [1e-4, 1e-2, 1.0], "seed": 3}
    scores = scores_of(AudioSVMEvaluation(**callback), RecordingData())
    assert scores["test/audio_svm_cost"] in (pytest.approx(1e-4), pytest.approx(1e-2), 1.0)
    assert scores_of(AudioSVMEvaluation(**callback), RecordingData()) == scores


def test_recordings_without_label_or_replaced_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    data, clean = RecordingData(), RecordingData()
    data.splits["train"].labels[:5], data.splits["train"].replaced[5:8] = -1, 20
    data.splits["test"].replaced[::2] = 1
    clean.splits["train"].audio, clean.splits["train"].labels = (
        data.splits["train"].audio[8:],
        data.splits["train"].labels[8:],
    )
    clean.splits["test"].audio = data.splits["test"].audio[1::2]
    clean.splits["test"].labels = data.splits["test"].labels[1::2]
    callback = AudioSVMEvaluation((2, 2), [0.1])
    with caplog.at_level("INFO"):
        scores = scores_of(callback, data)
    assert scores == scores_of(AudioSVMEvaluation((2, 2), [0.1]), clean)
    assert "leaves out 5 training samples without a label and 3 that could not be read" in caplog.text
    assert "leaves out 0 test samples without a label and 20 that could not be read" in caplog.text


def test_validate_reports_too() -> None:
    (scores,) = trainer(AudioSVMEvaluation((2, 2), [0.1])).validate(
        AudioModule(), RecordingData(), verbose=False
    )
    assert set(scores) == {"val/audio_svm_accuracy", "val/audio_svm_cost"}


def test_grid_maxima() -> None:
    maps = torch.randn(2, 512, 32, 24)
    pooled = grid_maxima(maps, (4, 3))
    assert pooled.shape == (2, 6144)
    torch.testing.assert_close(pooled, torch.nn.functional.max_pool2d(maps, 8).flatten(1))  # as OpenL3
    assert grid_maxima(maps[:, :, :2], (4, 3)).shape == (2, 512 * 2 * 3)  # two frequencies stay two
    torch.testing.assert_close(grid_maxima(maps[:, :, 0], (4, 1)), maps[:, :, 0].amax(2))
    assert grid_maxima(maps.bfloat16(), (1, 1)).dtype == torch.float32


class EncoderOnly(torch.nn.Module):
    """Method without anything but an encoder."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoders = torch.nn.ModuleDict({"audio": encoder})


def test_any_audio_encoder() -> None:
    cnn = DAVEnetV2(width_divisor=64)
    for encoder, size in (
        (L3Audio(width=1), 8 * 4 * 3),
        (AudioTokens(6, cnn), 6 * 3),
        (ClipAudio(5, DAVEnetV2(width_divisor=64)), 5),
    ):
        batch = {"audio": torch.randn(2, 3, 1, 40, 256), "audio_mask": torch.ones(2, 256, dtype=torch.bool)}
        with torch.no_grad():
            found = sub_clip_features(EncoderOnly(encoder).eval(), batch, (4, 3))
            one = sub_clip_features(
                EncoderOnly(encoder).eval(), {**batch, "audio": batch["audio"][:, 2]}, (4, 3)
            )
        assert found.shape == (2, 3, size)
        torch.testing.assert_close(found[:, 2], one[:, 0])
    with pytest.raises(ValueError, match="batches have no audio, only video; use a pipeline with audio"):
        sub_clip_features(EncoderOnly(L3Audio(width=1)), {"video": Tensor()}, (4, 3))


def test_wrong_inputs_are_refused() -> None:
    with pytest.raises(MisconfigurationException, match="needs an audio encoder, but Embedder has image"):
        scores_of(AudioSVMEvaluation(), RecordingData(), Embedder())
    data = RecordingData()
    data.splits["train"].labels[data.splits["train"].labels == 2] = 1
    with pytest.raises(ValueError, match="1 of 3 classes have no training recording"):
        scores_of(AudioSVMEvaluation(), data)
    wrong: list[dict[str, Any]] = [{"grid": (0, 3)}, {"costs": []}, {"costs": [0.0]}, {"inner_rounds": 0}]
    for options in wrong:
        with pytest.raises(ValueError, match="at least one cell along each axis, positive costs"):
            AudioSVMEvaluation(**options)


def test_the_report() -> None:
    results = {"fold 1": Result(0.5, 0.1, 0.6, 10, 0, 0), "fold 2": Result(0.7, 1.0, 0.8, 20, 2, 3)}
    assert summary(results) == pytest.approx({"audio_svm_accuracy": 0.6, "audio_svm_accuracy_std": 0.1})
    table = as_table(results)
    assert list(table) == ["fold 1, C=0.1", "fold 2, C=1", "mean (std 0.100)"]
    assert table["mean (std 0.100)"] == pytest.approx({"accuracy": 0.6, "inner": 0.7, "tested": 15})
    assert list(remarks(results)) == [
        "3 fits, of all costs and rounds, stopped at 2000 iterations; lower costs need fewer",
        "fold 2: 2 classes have no test recording and are left out",
    ]
    assert not list(remarks({"fold 1": results["fold 1"]}))
