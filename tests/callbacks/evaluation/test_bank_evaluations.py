"""Evaluations against the labelled training set: k-NN, retrieval, SVM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import LightningModule
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.demos.boring_classes import BoringModel
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

from callbacks.evaluation.knn_evaluation import KNNEvaluation
from callbacks.evaluation.retrieval_evaluation import MaxPooledMaps, PooledFeatures, RetrievalEvaluation
from callbacks.evaluation.svm_evaluation import SVMEvaluation
from tests._helpers.embedding_modules import CLASSES, ColourData, Embedder, trainer
from unlabelled.metrics import average_precision
from unlabelled.metrics.linear import svm_average_precision, unit_rows


def colours(data: ColourData, split: str) -> tuple[Tensor, Tensor]:
    """Return the features of the encoder, averaged over crops, and the labels."""
    images = data.splits[split].images
    return images.mean((-1, -2)).reshape(len(images), -1, 3).mean(1), data.splits[split].labels


def accuracy(data: ColourData, split: str, k: int, keep: Tensor | None = None) -> float:
    bank, labels = (part.numpy() if keep is None else part[keep].numpy() for part in colours(data, "train"))
    weights = {"metric": "cosine", "weights": lambda distance: np.exp((1 - distance) / 0.07)}
    features, truth = (part.numpy() for part in colours(data, split))
    return float(KNeighborsClassifier(k, **weights).fit(bank, labels).score(features, truth))


def scores_of(callback: Any, data: ColourData, module: LightningModule | None = None) -> dict[str, float]:
    (scores,) = trainer(callback).test(module or Embedder(), data, verbose=False)
    return dict(scores)


@pytest.mark.parametrize("views", [0, 3])
def test_knn_is_that_of_scikit_learn(views: int, capsys: pytest.CaptureFixture[str]) -> None:
    data = ColourData(views)
    scores = scores_of(KNNEvaluation(k=[5, 20]), data)
    assert set(scores) == {f"test/knn_{name}/k{k}" for name in ("accuracy", "top5") for k in (5, 20)}
    for k in (5, 20):
        assert scores[f"test/knn_accuracy/k{k}"] == pytest.approx(accuracy(data, "test", k))
        assert 1 / CLASSES < scores[f"test/knn_accuracy/k{k}"] < scores[f"test/knn_top5/k{k}"]
    assert "image, k=20" in capsys.readouterr().out


def test_samples_without_label_or_replaced_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    data, keep = ColourData(), torch.ones(61, dtype=torch.bool)
    keep[:20] = False
    bank, held_out = data.splits["train"], data.splits["test"]
    bank.labels[:15], bank.replaced[15:20] = -1, 3
    held_out.replaced[::2] = 1
    clean = ColourData()
    clean.splits["test"].images, clean.splits["test"].labels = held_out.images[1::2], held_out.labels[1::2]
    with caplog.at_level("INFO"):
        scores = scores_of(KNNEvaluation(), data)
    assert scores["test/knn_accuracy"] == pytest.approx(accuracy(clean, "test", 20, keep))
    assert "leaves out 15 training samples without a label and 5 that could not be read" in caplog.text
    assert "leaves out 0 test samples without a label and 25 that" in caplog.text


class _Epochs(KNNEvaluation):
    """Record the epochs of evaluations."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.epochs: list[int] = []

    def evaluate(self, trainer: Any, *rest: Any) -> None:
        self.epochs.append(trainer.current_epoch)
        super().evaluate(trainer, *rest)


def test_knn_within_fit_runs_when_it_is_due(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, callback = ColourData(), _Epochs(every_n_epochs=2)
    run = trainer(callback, max_epochs=5, num_sanity_val_steps=1, default_root_dir=tmp_path)
    module = Embedder()
    run.fit(module, datamodule=data)
    assert callback.epochs == [1, 3]
    assert data.num_banks == 3  # once more before training
    assert callback.before["image, k=20"]["accuracy"] == pytest.approx(accuracy(data, "val", 20))
    assert run.callback_metrics["val/knn_accuracy"] > 1 / CLASSES
    path = tmp_path / "last.ckpt"
    run.save_checkpoint(path)
    later = _Epochs(every_n_epochs=None)
    trainer(later).test(module, data, ckpt_path=path, verbose=False, weights_only=False)
    assert later.before == callback.before
    assert data.num_banks == 4
    text = capsys.readouterr().out
    assert text.index("before training, val") < text.index("k-NN, test")


def test_several_modalities_are_named() -> None:
    module = Embedder("image", "video")
    with torch.no_grad():
        nn.init.zeros_(module.encoders["video"].mix.weight)
    scores = scores_of(KNNEvaluation(k=20), ColourData(), module)
    assert set(scores) == {f"test/knn_{name}_{m}" for name in ("accuracy", "top5") for m in module.encoders}
    assert scores["test/knn_accuracy_video"] < scores["test/knn_accuracy_image"]
    one = scores_of(KNNEvaluation(k=20, modality="video"), ColourData(), module)
    assert one["test/knn_accuracy"] == scores["test/knn_accuracy_video"]
    with pytest.raises(ValueError, match="no features of modality 'audio', only of image, video"):
        scores_of(KNNEvaluation(modality="audio"), ColourData(), module)


@pytest.mark.parametrize("callback", [KNNEvaluation(), RetrievalEvaluation(), SVMEvaluation()])
def test_what_cannot_be_compared_is_refused_at_start(callback: Any) -> None:
    with pytest.raises(MisconfigurationException, match="which BoringModel is not"):
        trainer(callback).test(BoringModel(), verbose=False)
    with pytest.raises(MisconfigurationException, match="labelled training rows"):
        trainer(callback).test(Embedder(), ColourData().test_dataloader(), verbose=False)


def test_several_labels_need_the_svm() -> None:
    features = PooledFeatures("image")
    for callback in (KNNEvaluation(), RetrievalEvaluation(features=features)):
        with pytest.raises(ValueError, match="use SVMEvaluation"):
            scores_of(callback, ColourData(several_labels=True))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: KNNEvaluation(k=0), "expected numbers of neighbours"),
        (lambda: KNNEvaluation(every_n_epochs=0), "every_n_epochs must be at least 1"),
        (lambda: RetrievalEvaluation(k=[0]), "expected numbers of neighbours"),
        (lambda: RetrievalEvaluation(distance="manhattan"), "one of cosine, euclidean"),
        (lambda: SVMEvaluation(shots=["some"]), "or 'full'"),  # type: ignore[list-item]
        (lambda: SVMEvaluation(costs=[0.0]), "positive costs"),
        (lambda: SVMEvaluation(grid=(4, 0)), "at least 1 row"),
    ],
)
def test_wrong_options_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def recall(queries: Tensor, bank: Tensor, truth: Tensor, labels: Tensor, k: int) -> float:
    cosine = nn.functional.normalize(queries, dim=1) @ nn.functional.normalize(bank, dim=1).T
    nearest = labels[cosine.argsort(1, descending=True)[:, :k]]
    return float((nearest == truth.unsqueeze(1)).any(1).float().mean())


@pytest.mark.parametrize("centre", [True, False])
def test_retrieval_of_pooled_features(centre: bool, capsys: pytest.CaptureFixture[str]) -> None:
    data = ColourData(views=2)
    scores = scores_of(RetrievalEvaluation([1, 3], PooledFeatures("image"), centre), data)
    (queries, truth), (bank, labels) = colours(data, "test"), colours(data, "train")
    if centre:
        queries, bank = queries - queries.mean(0), bank - bank.mean(0)
    expected = {f"test/recall@{k}": recall(queries, bank, truth, labels, k) for k in (1, 3)}
    assert scores == pytest.approx(expected)
    assert "recall@3" in capsys.readouterr().out


def test_retrieval_of_max_pooled_maps() -> None:
    data = ColourData(views=2)
    scores = scores_of(RetrievalEvaluation([1, 3], MaxPooledMaps("image"), centre=False), data)

    def feature(split: str) -> Tensor:
        images = data.splits[split].images  # (n, V, 3, 4, 4), maxima over blocks of 2x2
        blocks = images.unflatten(-1, (2, 2)).unflatten(-3, (2, 2)).amax((-1, -3)).flatten(2)
        return nn.functional.normalize(blocks, dim=2).mean(1)

    truth, labels = (data.splits[split].labels for split in ("test", "train"))
    expected = {
        f"test/recall@{k}": recall(feature("test"), feature("train"), truth, labels, k) for k in (1, 3)
    }
    assert scores == pytest.approx(expected)


def test_retrieval_of_a_modality_that_is_not_there_is_refused() -> None:
    for features in (PooledFeatures("video"), MaxPooledMaps("video")):
        with pytest.raises(MisconfigurationException, match="the method has image; set"):
            scores_of(RetrievalEvaluation(features=features), ColourData())


def test_retrieval_within_fit_is_optional() -> None:
    data = ColourData()
    run = trainer(RetrievalEvaluation(features=PooledFeatures("image")), max_epochs=1)
    run.fit(Embedder(), datamodule=data)
    assert data.num_banks == 0
    run = trainer(RetrievalEvaluation(features=PooledFeatures("image"), every_n_epochs=1), max_epochs=1)
    run.fit(Embedder(), datamodule=data)
    assert data.num_banks == 1
    assert "val/recall@10" in run.callback_metrics


@pytest.mark.parametrize("several_labels", [False, True])
def test_svm_on_all_samples(several_labels: bool, capsys: pytest.CaptureFixture[str]) -> None:
    data = ColourData(several_labels=several_labels)
    if several_labels:
        data.splits["train"].labels[::7, 1] = -1
        data.splits["test"].labels[::5, 2] = -1
    costs = [0.01, 1.0]
    scores = scores_of(SVMEvaluation("full", costs), data)
    (bank, labels), (features, truth) = colours(data, "train"), colours(data, "test")
    if not several_labels:
        labels, truth = (nn.functional.one_hot(part, CLASSES) for part in (labels, truth))
    bank, features = unit_rows(bank), unit_rows(features)
    means = [
        np.mean(
            [
                svm_average_precision((bank, labels[:, c]), (features, truth[:, c]), cost)
                for c in range(labels.shape[1])
            ]
        )
        for cost in costs
    ]
    assert scores["test/svm_map"] == pytest.approx(max(means))
    assert scores["test/svm_cost"] == pytest.approx(costs[int(np.argmax(means))])
    chance = float(np.mean([average_precision(torch.zeros(50), truth[:, c]) for c in range(truth.shape[1])]))
    assert scores["test/svm_map"] > chance + 0.2
    text = capsys.readouterr().out
    assert "full, C=0.01" in text
    assert text.count("(best)") == 1


@pytest.mark.parametrize("views", [0, 2])
def test_svm_on_pooled_maps(views: int) -> None:
    data = ColourData(views)
    scores = scores_of(SVMEvaluation("full", [1.0], grid=(2, 1)), data)

    def feature(split: str) -> Tensor:
        halves = data.splits[split].images.unflatten(-2, (2, 2))  # (n, [V,] 3, 2, 2, 4): two rows of cells
        maxima = halves.amax((-1, -2)).flatten(-2)
        return unit_rows(maxima.mean(1) if views else maxima)

    truth, labels = (nn.functional.one_hot(data.splits[split].labels, CLASSES) for split in ("test", "train"))
    expected = [
        svm_average_precision((feature("train"), labels[:, c]), (feature("test"), truth[:, c]), 1.0)
        for c in range(CLASSES)
    ]
    assert scores["test/svm_map"] == pytest.approx(np.mean(expected))
    assert scores["test/svm_map"] != pytest.approx(
        scores_of(SVMEvaluation("full", [1.0]), data)["test/svm_map"]
    )


def test_pooled_maps_need_an_image_encoder() -> None:
    with pytest.raises(MisconfigurationException, match="needs the maps of an image encoder"):
        scores_of(SVMEvaluation(grid=(4, 4)), ColourData(), Embedder("audio"))


def test_svm_on_few_samples_is_reproducible_and_improves() -> None:
    scores = scores_of(SVMEvaluation([1, 8, "full"], draws=3), ColourData())
    assert scores["test/svm_map_1shot"] < scores["test/svm_map_8shot"] < scores["test/svm_map"]
    again = scores_of(SVMEvaluation([1, 8, "full"], draws=3), ColourData())
    assert again == scores
    other = scores_of(SVMEvaluation([1], draws=3, seed=1), ColourData())
    assert other["test/svm_map_1shot"] != scores["test/svm_map_1shot"]


def test_wrong_svm_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match="class 1 has 15 labelled training samples, but 16 per class"):
        scores_of(SVMEvaluation(16), ColourData())
    with pytest.raises(ValueError, match="features of image, video; set `modality`"):
        scores_of(SVMEvaluation(), ColourData(), Embedder("image", "video"))
    data = ColourData(several_labels=True)
    data.splits["train"].labels[:, 0] = 1
    with pytest.raises(ValueError, match="all alike"):
        scores_of(SVMEvaluation(), data)
    data = ColourData()
    data.splits["test"].labels[:] = -1
    with pytest.raises(ValueError, match="no held-out sample has a label"):
        scores_of(SVMEvaluation(), data)
