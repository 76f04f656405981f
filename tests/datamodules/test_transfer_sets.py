"""Data sets of transfer protocols: the same images and labels as torchvision, and a run of the protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision import datasets

import datamodules
from callbacks import TransferEvaluation
from lightning_modules import Pretrained
from tests._helpers.data_layouts import Plain
from tests._helpers.embedding_modules import trainer
from tests._helpers.transfer_layouts import CLASSES, PARTS, WRITERS
from unlabelled.encoders import SmallImageEncoder
from unlabelled.pipelines import LabelledImages
from unlabelled.transforms import RandomResizedCrop

Files = dict[str, str]
"""Name of the class by file."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one folder that holds all data sets."""
    folder = tmp_path_factory.mktemp("torchvision")
    for write in WRITERS.values():
        write(folder)
    return folder


def module(name: str, root: Path, pipeline: Any = None) -> datamodules.ListedImages:
    cls = getattr(datamodules, name)
    found: datamodules.ListedImages = cls(
        str(root), pipeline=pipeline or Plain(), batch_size=4, num_workers=0
    )
    return found


def files(data: datamodules.ListedImages, split: str) -> Files:
    source = data.source(split)
    names = data.class_names
    return {source.path(row): names[int(source.labels[row])] for row in range(len(source))}


def torchvision_files(name: str, root: Path, split: str) -> Files:
    """Return what torchvision lists; its attributes have other names in each class."""
    if name == "OxfordPets":
        found = datasets.OxfordIIITPet(root, split="trainval" if split == "train" else split)
        classes = [path.stem.rpartition("_")[0] for path in found._images]  # its own have other capitals
        return dict(zip(map(str, found._images), classes, strict=True))
    if name == "StanfordCars":
        found = datasets.StanfordCars(root, split=split)
        return {path: found.classes[label] for path, label in found._samples}
    found = getattr(datasets, name)(root, split=split)
    classes = [found.classes[label] for label in found._labels]
    return dict(zip(map(str, found._image_files), classes, strict=True))


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in ("SUN397", "Caltech101")])
def test_images_and_labels_are_torchvisions(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.flowers102.check_integrity", lambda *_: True)
    data = module(name, root)
    assert files(data, "test") == files(data, "val") == torchvision_files(name, root, "test")
    validated = data.validation_rows()
    train = files(data, "train")
    if validated is None:
        assert train == torchvision_files(name, root, "train")
        return
    paths = list(train)
    assert {paths[row]: train[paths[row]] for row in validated} == torchvision_files(name, root, "val")
    rest = {path: train[path] for row, path in enumerate(paths) if row not in set(validated)}
    assert rest == torchvision_files(name, root, "train")


def test_scenes_of_sun397_have_torchvisions_labels_and_the_first_partition(root: Path) -> None:
    data, found = module("SUN397", root), datasets.SUN397(root)
    names = [found.classes[label] for label in found._labels]
    listed = dict(zip(map(str, found._image_files), names, strict=True))
    train, test = files(data, "train"), files(data, "test")
    assert {**train, **test} == listed
    assert len(train) == 3 * PARTS["train"]
    assert len(test) == 3 * PARTS["test"]


def test_caltech101_draws_thirty_images_of_each_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datamodules.Caltech101, "num_train", 6)
    data = module("Caltech101", root)
    train, test = files(data, "train"), files(data, "test")
    assert data.class_names == ["BACKGROUND_Google", *CLASSES]
    assert not train.keys() & test.keys()
    assert len(train) == 4 * 6
    assert len(test) == 4 * 3
    assert [path.rpartition("_")[2] for path in train][:6] != [f"000{n}.jpg" for n in range(1, 7)]
    assert files(module("Caltech101", root), "train") == train


def test_lists_replace_the_draw_of_caltech101(tmp_path: Path) -> None:
    WRITERS["Caltech101"](tmp_path)
    (tmp_path / "caltech101" / "train.txt").write_text("ant/image_0002.jpg 1\nbee/image_0001.jpg 2\n")
    found = files(module("Caltech101", tmp_path), "train")
    assert {Path(path).parts[-2:]: name for path, name in found.items()} == {
        ("ant", "image_0002.jpg"): "ant",
        ("bee", "image_0001.jpg"): "bee",
    }


def test_a_missing_image_is_counted_and_its_validation_row_moves(tmp_path: Path) -> None:
    WRITERS["DTD"](tmp_path)
    (tmp_path / "dtd/dtd/images/ant/ant_1.jpg").unlink()
    data = module("DTD", tmp_path)
    assert "26 images of 27 listed; left out: missing 1 (dtd/dtd/images/ant/ant_1.jpg)" in (
        data.source("train").summary()
    )
    assert data.validation_rows() == list(range(17, 26))


def test_missing_and_wrong_lists_are_one_line(tmp_path: Path) -> None:
    tmp_path.joinpath("food-101").mkdir()
    with pytest.raises(FileNotFoundError, match=r"Food101: there is no \S*train.txt; .*download true"):
        _ = module("Food101", tmp_path).class_names
    WRITERS["FGVCAircraft"](tmp_path)
    (tmp_path / "fgvc-aircraft-2013b/data/images_variant_test.txt").write_text("1 MD 11\n2 DC-3\n")
    with pytest.raises(ValueError, match=r"images_variant_test.txt, line 2: '2 DC-3' is no image of a class"):
        module("FGVCAircraft", tmp_path).source("test")


@pytest.mark.parametrize("name", WRITERS)
def test_the_protocol_runs_on_each_layout(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datamodules.Caltech101, "num_train", 6)
    crop = RandomResizedCrop(16)
    pipeline = LabelledImages(crop, eval_size=16, eval_resize=16, eval_interpolation="bicubic")
    torch.manual_seed(0)
    method = Pretrained([SmallImageEncoder(2)])
    callback = TransferEvaluation(num_costs=3)
    (scores,) = trainer(callback).test(method, module(name, root, pipeline), verbose=False)
    # Random features separate three colours; Caltech-101's fourth class has the colour of the first.
    assert scores["test/transfer_score"] >= (0.5 if name == "Caltech101" else 0.99)
