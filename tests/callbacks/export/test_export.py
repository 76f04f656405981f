"""Files that predict writes are usable without this package."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import LightningDataModule, LightningModule
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.demos.boring_classes import BoringModel
from torch import nn
from torch.utils.data import DataLoader
from torchvision.models import resnet50
from torchvision.models.video import r2plus1d_18

from callbacks.export.cluster_predictions import ClusterPredictions
from callbacks.export.export_encoder import ExportEncoder, export_encoder
from callbacks.export.export_features import ExportFeatures
from tests._helpers.embedding_modules import ColourData, Embedder, trainer
from tests.conftest import environment
from unlabelled.data.datasets.clip_names import ClipName
from unlabelled.encoders import (
    Encoder,
    ImageResNet,
    R2Plus1D18,
    SmallAudioEncoder,
    SmallVideoEncoder,
)
from unlabelled.encoders.evaluation_crops import embed_crops
from unlabelled.layouts import published_name
from unlabelled.losses.sound_maps import Localised
from unlabelled.page.samples import read_maps
from unlabelled.weights import load_encoders


class VideoAndAudio(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({"video": SmallVideoEncoder(2), "audio": SmallAudioEncoder(2)})
        for module in self.modules():  # statistics other than the initial ones
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
                module.running_mean.uniform_(-1, 1)

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Any]:
        return {"features": embed_crops(lambda b: {n: e(b[n]) for n, e in self.encoders.items()}, batch)}


class OneClip(LightningDataModule):
    """One clip with two crops of the video and one of the audio."""

    def predict_dataloader(self) -> DataLoader[Any]:
        sample = {"video": torch.zeros(2, 3, 4, 16, 16), "audio": torch.zeros(1, 16, 20)}
        keys = {name: torch.tensor(-1) for name in ("label", "index", "replaced")}
        return DataLoader([sample | keys], batch_size=1)


PROGRAM = """
import sys, torch
folder = sys.argv[1]
inputs, outputs = torch.load(f"{folder}/inputs.pt"), {}
for name, batch in inputs.items():
    state = torch.load(f"{folder}/encoder_{name}.pt", weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    outputs[name] = torch.export.load(f"{folder}/encoder_{name}.pt2").module()(batch)
assert not {module.split(".")[0] for module in sys.modules} & {"unlabelled", "lightning", "torchvision"}
torch.save(outputs, f"{folder}/outputs.pt")
"""


def test_exported_encoders_load_in_a_bare_process(tmp_path: Path) -> None:
    module = VideoAndAudio()
    folder = tmp_path / "new" / "folder"
    options: dict[str, Any] = {"precision": "bf16-mixed"}
    trainer(ExportEncoder(str(folder)), **options).predict(module, datamodule=OneClip())
    names = ["encoder_audio.pt", "encoder_audio.pt2", "encoder_video.pt", "encoder_video.pt2"]
    assert sorted(path.name for path in folder.iterdir()) == names
    inputs = {"video": torch.randn(5, 3, 4, 16, 16), "audio": torch.randn(1, 1, 16, 20)}
    torch.save(inputs, folder / "inputs.pt")
    command = [sys.executable, "-I", "-W", "ignore", "-c", PROGRAM, str(folder)]
    result = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    outputs = torch.load(folder / "outputs.pt")
    module.eval()
    for name, encoder in module.encoders.items():
        with torch.no_grad():
            torch.testing.assert_close(outputs[name], encoder(inputs[name]))
        fresh = type(encoder)(2)
        fresh.load_state_dict(torch.load(folder / f"encoder_{name}.pt", weights_only=True))
        assert all(p.requires_grad for p in encoder.parameters())


@pytest.mark.parametrize(
    ("make", "shape", "published"),
    [
        (lambda: ImageResNet(18, small_images=True), (3, 32, 32), None),
        (R2Plus1D18, (3, 4, 16, 16), r2plus1d_18),
    ],
)
def test_full_encoders_can_be_exported(
    make: Any, shape: tuple[int, ...], published: Any, tmp_path: Path
) -> None:
    encoder: Encoder = make().eval()
    export_encoder(encoder, shape, tmp_path / "encoder")
    state = torch.load(tmp_path / "encoder.pt")
    if published is not None:
        net = published().eval()
        missing, unexpected = net.load_state_dict(state, strict=False)
        net.fc = nn.Identity()
        inputs = torch.randn(1, *shape)
        assert (missing, unexpected) == (["fc.weight", "fc.bias"], [])
        with torch.no_grad():
            torch.testing.assert_close(net(inputs), encoder(inputs))
    fresh = nn.ModuleDict({encoder.modality: make().eval()})
    load_encoders(fresh, str(tmp_path / "encoder.pt"))
    torch.testing.assert_close(fresh[encoder.modality].state_dict(), encoder.state_dict())
    program = torch.export.load(tmp_path / "encoder.pt2").module()
    for size in (1, 3):
        inputs = torch.randn(size, *shape)
        with torch.no_grad():
            torch.testing.assert_close(program(inputs), encoder(inputs), atol=1e-4, rtol=1e-4)


def test_exported_names_are_those_of_torchvisions_resnet50() -> None:
    with torch.device("meta"):
        encoder, net = ImageResNet(50), resnet50()
    names = encoder.published_names()
    exported = {published_name(key, names): value.shape for key, value in encoder.state_dict().items()}
    expected = {key: value.shape for key, value in net.state_dict().items() if not key.startswith("fc.")}
    assert exported == expected


def test_export_needs_encoders_and_their_inputs(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match="which BoringModel is not"):
        trainer(ExportEncoder(str(tmp_path))).predict(BoringModel())
    module = Embedder("image", "video")  # its video encoder reads images, so there is no video
    with pytest.raises(
        MisconfigurationException, match="samples have image, but there is an encoder of 'video'"
    ):
        trainer(ExportEncoder(str(tmp_path))).predict(module, datamodule=ColourData())


def test_exported_features_are_in_the_order_of_the_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = ColourData(), tmp_path / "new"
    data.splits["test"].replaced[[3, 17]] = 5
    trainer(ExportFeatures(str(out), ["test", "bank"])).predict(Embedder(), datamodule=data)
    files = ["features_image.npy", "labels.npy", "paths.txt"]
    for part, split in (("test", "test"), ("bank", "train")):
        assert sorted(path.name for path in (out / part).iterdir()) == files
        features, labels = (np.load(out / part / name) for name in files[:2])
        expected, truth = data.splits[split].images.mean((2, 3)).numpy(), data.splits[split].labels.clone()
        if part == "test":
            expected[[3, 17]], truth[[3, 17]] = np.nan, -1
        np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-6)
        assert features.dtype == np.float32
        np.testing.assert_array_equal(labels, truth.numpy())
        assert (out / part / "paths.txt").read_text().splitlines() == data.clip_paths(split)
    assert f"features of 48 of 50 samples written to {out / 'test'}" in capsys.readouterr().out


class Localiser(Embedder):
    """Method whose maps are the brightness of the pixels."""

    def localise(self, batch: dict[str, Any]) -> Localised:
        maps = batch["image"].mean(1)
        return Localised(maps, maps[:, None])


def test_localisation_maps_are_beside_the_features_and_read_by_a_page(tmp_path: Path) -> None:
    data = ColourData()
    data.splits["test"].replaced[3] = 5
    trainer(ExportFeatures(str(tmp_path))).predict(Localiser(), datamodule=data)
    expected = data.splits["test"].images.mean(1).numpy()
    expected[3] = np.nan
    np.testing.assert_allclose(np.load(tmp_path / "test" / "maps.npy"), expected, rtol=1e-5, atol=1e-6)
    paths = [path for row, path in enumerate(data.clip_paths("test")) if row != 3]
    maps = read_maps(tmp_path / "test", paths)
    assert maps is not None
    np.testing.assert_allclose(maps, np.delete(expected, 3, 0), rtol=1e-5, atol=1e-6)
    (tmp_path / "test" / "maps.npy").unlink()
    assert read_maps(tmp_path / "test", paths) is None


def test_a_bank_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match="needs a data module with labelled"):
        trainer(ExportFeatures(str(tmp_path), ["bank"])).predict(VideoAndAudio(), datamodule=OneClip())
    with pytest.raises(ValueError, match="expected `test`, `bank` or both"):
        ExportFeatures(parts=["train"])  # type: ignore[list-item]


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_method_without_clusters_gets_those_of_k_means(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = ColourData()
    data.splits["test"].replaced[[3, 17]] = 5
    with pytest.warns(UserWarning, match=r"could not be read, and are not in the table: 2 \("):
        trainer(ClusterPredictions(str(tmp_path), num_clusters=4)).predict(Embedder(), datamodule=data)
    rows, paths = table(tmp_path), data.clip_paths("test")
    assert [row["path"] for row in rows] == [path for row, path in enumerate(paths) if row not in (3, 17)]
    assert {row["cluster"] for row in rows} == {"0", "1", "2", "3"}
    features = torch.nn.functional.normalize(data.splits["test"].images.mean((2, 3)))
    for row in rows:
        own = features[paths.index(row["path"])]
        near = features[[paths.index(row[f"nearest_{place}"]) for place in (1, 2, 3)]] @ own
        others = torch.cat([features @ own])
        left_out = torch.tensor([paths.index(row["path"]), 3, 17])
        others[left_out] = -2
        torch.testing.assert_close(near, others.topk(3).values)
    assert "label" not in rows[0]


def test_parts_of_the_same_seconds_are_no_neighbours() -> None:
    parts = [ClipName("a.mp4", "val", start, start + 2.0, is_part=True) for start in (0.0, 1.5, 3600.25)]
    assert [part.name for part in parts] == [
        "a.mp4 [0-2 s]",
        "a.mp4 [1.5-3.5 s]",
        "a.mp4 [3600.25-3602.25 s]",
    ]
    assert parts[0].overlaps(parts[1])
    assert parts[0].overlaps(ClipName("a.mp4", "val"))
    assert not parts[0].overlaps(parts[2])
    assert not parts[0].overlaps(parts[0]._replace(path="b.mp4"))
    with pytest.raises(ValueError, match="num_clusters=0 must be at least 1"):
        ClusterPredictions(num_clusters=0)
    with pytest.raises(MisconfigurationException, match="ClusterPredictions needs a data module that names"):
        trainer(ClusterPredictions()).predict(VideoAndAudio(), datamodule=OneClip())
