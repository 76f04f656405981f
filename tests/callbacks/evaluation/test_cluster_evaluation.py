"""Statistics over the heads that cluster the same modalities as head 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from lightning import LightningModule
from lightning.fabric.utilities.exceptions import MisconfigurationException
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor
from torch.utils.data import DataLoader

from callbacks.evaluation.cluster_evaluation import ClusterEvaluation
from tests._helpers.embedding_modules import trainer
from tests._helpers.hierarchy_modules import (
    CLUSTERS,
    HEADS,
    Hierarchical,
    HierarchyData,
    ScoredSamples,
    predicted,
)
from unlabelled.batch import Batch, Features
from unlabelled.data.datasets.clips import OrderedShard


class Flat(LightningModule):
    """Method with the same clusterings without trees."""

    num_clusters, num_clusterings = CLUSTERS, 2 * HEADS

    def __init__(self) -> None:
        super().__init__()
        self.inner = Hierarchical()

    def embed(self, batch: Batch) -> Features:
        return self.inner.embed(batch)

    def log_probs(self, features: Features) -> dict[str, Tensor]:
        return self.inner.log_probs(features)

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        return self.inner.evaluation_step(batch)

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        return self.evaluation_step(batch)

    test_step = validation_step


@pytest.mark.parametrize(("method", "heads"), [(Hierarchical, HEADS), (Flat, 2 * HEADS)])
def test_statistics_are_over_the_heads_of_the_first_hierarchy(
    method: type[LightningModule], heads: int
) -> None:
    data = HierarchyData()
    data.samples.scores[:, :, HEADS:] *= -1  # the second hierarchy is worse
    run = trainer(ClusterEvaluation(before_training=False))
    (scores,) = run.validate(method(), data, verbose=False)
    truth = data.samples.label.numpy()
    nmi = [normalized_mutual_info_score(truth, predicted(data.samples, head)) for head in range(heads)]
    assert scores["val/nmi"] == pytest.approx(nmi[0], abs=1e-6)
    assert scores["val/nmi_mean"] == pytest.approx(np.mean(nmi), abs=1e-6)
    assert scores["val/nmi_std"] == pytest.approx(np.std(nmi), abs=1e-6)


@pytest.mark.parametrize("every", [1, 3])
def test_samples_without_a_modality_are_left_out_of_its_scores(every: int) -> None:
    data = HierarchyData()
    data.samples.scores[1, ::every] = 0  # no audio
    rows = torch.arange(len(data.samples)) % every != 0
    (scores,) = trainer(ClusterEvaluation(before_training=False)).validate(Flat(), data, verbose=False)
    truth = data.samples.label
    assert scores["val/missing_audio"] == (~rows).sum()
    assert "val/missing_image" not in scores
    joint = normalized_mutual_info_score(truth, predicted(data.samples, 0))
    assert scores["val/nmi"] == pytest.approx(joint, abs=1e-6)
    if every == 1:
        assert not {"val/nmi_audio", "val/agreement"} & scores.keys()
        return
    audio, image = predicted(data.samples, 0, [1])[rows], predicted(data.samples, 0, [0])
    audio_nmi, agreement = (normalized_mutual_info_score(each[rows], audio) for each in (truth, image))
    assert scores["val/nmi_audio"] == pytest.approx(audio_nmi, abs=1e-6)
    assert scores["val/agreement"] == pytest.approx(agreement, abs=1e-6)
    assert scores["val/nmi_image"] == pytest.approx(normalized_mutual_info_score(truth, image), abs=1e-6)


class Banked(HierarchyData):
    """Has other training samples than held-out ones."""

    def __init__(self) -> None:
        super().__init__()
        self.bank = ScoredSamples(2, 30, "image")

    def bank_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.bank, batch_size=8, sampler=OrderedShard(len(self.bank), 0, 1))


def test_training_samples_are_scored_too(capsys: pytest.CaptureFixture[str]) -> None:
    data = Banked()
    callback = ClusterEvaluation(before_training=False, split="train")
    (scores,) = trainer(callback).test(Flat(), data, verbose=False)
    for prefix, samples in (("", data.samples), ("train_", data.bank)):
        found = normalized_mutual_info_score(samples.label, predicted(samples, 0))
        assert scores[f"test/{prefix}nmi"] == pytest.approx(found, abs=1e-6)
        audio = normalized_mutual_info_score(samples.label, predicted(samples, 0, [1]))
        assert scores[f"test/{prefix}nmi_audio"] == pytest.approx(audio, abs=1e-6)
    assert scores["test/nmi"] != scores["test/train_nmi"]
    text = capsys.readouterr().out
    assert text.index("after training") < text.index("training samples")


def test_training_samples_need_a_bank() -> None:
    with pytest.raises(MisconfigurationException, match="needs a data module with labelled training rows"):
        trainer(ClusterEvaluation(split="train")).test(Flat(), HierarchyData(), verbose=False)
    with pytest.raises(ValueError, match="split='val' is neither"):
        ClusterEvaluation(split="val")
