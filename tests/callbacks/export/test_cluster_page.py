"""The page that is written during training."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader

from callbacks.export import cluster_page
from callbacks.export.cluster_page import ClusterPage
from tests._helpers.embedding_modules import ColourData, Embedder, trainer
from tests._helpers.small_page import page_data
from unlabelled.batch import Batch, Features
from unlabelled.contracts import TrainingSet


class NumberedColours(ColourData):
    """Colours as the training set of clustering passes."""

    num_train_samples, train_fingerprint = 61, "colours"

    def fixed_pass_dataloader(self) -> DataLoader[Any]:
        return self._loader("train")

    def pass_dataloader(self, epoch: int) -> DataLoader[Any]:
        raise NotImplementedError

    shuffled_pass_dataloader = pass_dataloader


class Predictor(Embedder):
    """Method whose one head predicts the colour that is the brightest."""

    num_clusterings, num_clusters = 1, 3

    def log_probs(self, features: Features) -> dict[str, torch.Tensor]:
        return {name: feature.log_softmax(1)[:, None] for name, feature in features.items()}

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        features = self.embed(batch)
        return {"features": features, "cluster_log_probs": self.log_probs(features)}


def test_the_page_has_the_training_samples_in_the_clusters_of_the_heads(tmp_path: Path) -> None:
    data, module = NumberedColours(), Predictor()
    data.splits["train"].replaced[[3, 17]] = 5
    assert isinstance(data, TrainingSet)
    trainer(ClusterPage(folder=str(tmp_path)), max_epochs=2).fit(module, datamodule=data)
    with (tmp_path / "clusters.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = [int(Path(row["path"]).stem) for row in rows]
    assert numbers == [row for row in range(61) if row not in (3, 17)]
    with torch.no_grad():
        brightest = module.embed({"image": data.splits["train"].images})["image"].argmax(1)
    shown = [row["cluster_of_3"] for row in rows]
    assert len(set(zip(shown, brightest[numbers].tolist(), strict=True))) == 3
    assert page_data(tmp_path)["title"] == "Predictor, 2 epochs"


def test_pages_are_written_at_their_epochs_and_leave_training_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    monkeypatch.setattr(
        cluster_page, "write_page", lambda samples, features, folder, plan: titles.append(plan.title)
    )
    weights = []
    for callbacks in ([], [ClusterPage(every_n_epochs=2, folder=str(tmp_path), num_clusters=4)]):
        torch.manual_seed(0)
        module = Embedder()
        trainer(*callbacks, max_epochs=5).fit(module, datamodule=NumberedColours())
        weights.append([*module.state_dict().values(), torch.rand(1)])
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)
    assert titles == [f"Embedder, {epochs} epochs" for epochs in (2, 4, 5)]


def test_what_it_needs_is_checked_at_the_start() -> None:
    with pytest.raises(MisconfigurationException, match="data with named training samples"):
        trainer(ClusterPage(), max_epochs=1).fit(Embedder(), datamodule=ColourData())
    with pytest.raises(ValueError, match="num_clusters=0 and workers=1 must be at least 1"):
        ClusterPage(num_clusters=0)
