"""k-means of held-out features."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.demos.boring_classes import BoringModel
from sklearn.metrics import normalized_mutual_info_score
from torch import nn

from callbacks.evaluation.kmeans_evaluation import KMeansEvaluation, kmeans_scores
from callbacks.shared.rows import Rows
from tests._helpers.embedding_modules import CLASSES, ColourData, Embedder, trainer
from unlabelled.clustering.kmeans import kmeans
from unlabelled.seeding import derive_seed


def nmi(data: ColourData, split: str, num_clusters: int, restarts: int = 1) -> float:
    samples = data.splits[split]
    keep = (samples.labels >= 0) & (samples.replaced == -1)
    seed = derive_seed(0, "k-means") % 2**31
    clusters = kmeans(samples.images.mean((-1, -2))[keep], num_clusters, seed, restarts=restarts)
    return float(normalized_mutual_info_score(samples.labels[keep], clusters))


def test_clusters_of_usable_samples_against_classes(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ColourData()
    data.splits["test"].labels[:3] = -1
    data.splits["test"].replaced[10] = 2
    with caplog.at_level("INFO"):
        (scores,) = trainer(KMeansEvaluation()).test(Embedder(), data, verbose=False)
    assert scores["test/kmeans/nmi_image"] == pytest.approx(nmi(data, "test", CLASSES), abs=1e-6)
    measures = ("nmi", "ari", "accuracy", "entropy", "purity", "weighted_purity")
    assert set(scores) == {f"test/kmeans/{measure}_image" for measure in measures}
    assert "leaves out 3 test samples without a label and 1 that" in caplog.text
    assert "k-means, test" in capsys.readouterr().out
    (scores,) = trainer(KMeansEvaluation(7, restarts=5)).test(Embedder(), data, verbose=False)
    assert scores["test/kmeans/nmi_image"] == pytest.approx(nmi(data, "test", 7, 5), abs=1e-6)


def test_modalities_alone_and_side_by_side() -> None:
    module = Embedder("image", "video")
    with torch.no_grad():
        nn.init.zeros_(module.encoders["video"].mix.weight)
        module.encoders["video"].mix.weight[0, 0] = 1  # red alone
    (scores,) = trainer(KMeansEvaluation()).test(module, ColourData(), verbose=False)
    names = {name.rpartition("_")[2] for name in scores}
    assert names == {"image", "video", "both"}
    assert scores["test/kmeans/nmi_image"] != scores["test/kmeans/nmi_video"]
    assert scores["test/kmeans/nmi_both"] != scores["test/kmeans/nmi_image"]


def test_within_fit_it_runs_when_it_is_due(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, callback, module = ColourData(), KMeansEvaluation(every_n_epochs=2), Embedder()
    run = trainer(callback, max_epochs=1, num_sanity_val_steps=1, default_root_dir=tmp_path)
    run.fit(module, datamodule=data)
    assert callback.before["image"]["nmi"] == pytest.approx(nmi(data, "val", CLASSES), abs=1e-6)
    assert not run.callback_metrics
    path = tmp_path / "last.ckpt"
    run.save_checkpoint(path)
    again = trainer(callback, max_epochs=2, default_root_dir=tmp_path)
    again.fit(module, datamodule=data, ckpt_path=path, weights_only=False)
    assert "val/kmeans/nmi_image" in again.callback_metrics
    later = KMeansEvaluation(every_n_epochs=None)
    trainer(later).test(module, data, ckpt_path=path, verbose=False, weights_only=False)
    assert later.before == callback.before
    assert "k-means before training, val" in capsys.readouterr().out


def test_more_clusters_than_samples_become_as_many(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        (scores,) = trainer(KMeansEvaluation(100)).test(Embedder(), ColourData(), verbose=False)
    assert "50 samples are clustered into 50, not 100" in caplog.text
    assert scores["test/kmeans/purity_image"] == 1


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="num_clusters=0"):
        KMeansEvaluation(0)
    with pytest.raises(ValueError, match="restarts=0"):
        KMeansEvaluation(restarts=0)
    with pytest.raises(ValueError, match="every_n_epochs must be at least 1"):
        KMeansEvaluation(every_n_epochs=0)
    with pytest.raises(MisconfigurationException, match="which BoringModel is not"):
        trainer(KMeansEvaluation()).test(BoringModel(), verbose=False)
    with pytest.raises(MisconfigurationException, match="class_names"):
        trainer(KMeansEvaluation()).test(Embedder(), ColourData().test_dataloader(), verbose=False)
    with pytest.raises(ValueError, match="one label per sample"):
        trainer(KMeansEvaluation()).test(Embedder(), ColourData(several_labels=True), verbose=False)


def test_samples_without_a_modality_are_left_out_of_its_clusters(caplog: pytest.LogCaptureFixture) -> None:
    generator, present = torch.Generator().manual_seed(0), torch.arange(30) % 5 != 0
    image, audio = torch.randn(2, 30, 4, generator=generator)
    columns = {"index": torch.arange(30), "label": torch.arange(30) % 3}
    audio = audio * present.unsqueeze(1)
    with caplog.at_level("INFO"):
        table = kmeans_scores(Rows({**columns, "image": image, "audio": audio}, 0), 3, 3)
    assert table["audio"] == kmeans_scores(Rows({**columns, "audio": audio}, 0).where(present), 3, 3)["audio"]
    assert table["image"] == kmeans_scores(Rows({**columns, "image": image}, 0), 3, 3)["image"]
    assert "k-means: 6 samples without features are left out of audio" in caplog.text
    assert set(kmeans_scores(Rows({**columns, "image": image, "audio": 0 * audio}, 0), 3, 3)) == {
        "image",
        "both",
    }
