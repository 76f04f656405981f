"""Image data sets, each in a tiny copy of its layout."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torchvision import datasets

from datamodules import CIFAR10, CIFAR100, STL10, VOC2007, ImageFolder, ImageNet, ImageNet100, TinyImageNet
from datamodules.image_folders import IMAGENET100_LIST
from datamodules.voc2007 import VOC_CLASSES
from tests._helpers.data_layouts import Plain, labels, rows, write_images
from tests.conftest import ROOT
from unlabelled.data.features.safe_pickle import UnsafePickleError


def options(root: Path) -> dict[str, Any]:
    return {"root": str(root), "pipeline": Plain(), "batch_size": 2, "num_workers": 0}


def only(loader: DataLoader[Any]) -> dict[str, Any]:
    """Return all batches as one."""
    batches = list(loader)
    return {name: torch.cat([batch[name] for batch in batches]) for name in ("image", "label", "index")}


# --- class folders -----------------------------------------------------------------------------------------


def test_class_folders(tmp_path: Path) -> None:
    write_images(tmp_path, "train/b/1.PNG", "train/a/deep/2.jpg", "train/a/1.webp", "val/b/3.png")
    write_images(tmp_path, "train/.cache/4.png", "train/a/.5.png", "train/6.png")
    (tmp_path / "train/a/notes.txt").touch()
    (tmp_path / "train/c").mkdir()
    data = ImageFolder(**options(tmp_path))
    data.setup("fit")
    assert data.class_names == ["a", "b", "c"]
    assert data.clip_paths("train") == [
        f"{tmp_path}/train/{name}" for name in ("a/1.webp", "a/deep/2.jpg", "b/1.PNG")
    ]
    assert only(data.bank_dataloader())["label"].tolist() == [0, 0, 1]
    assert labels(data.source("test")) == labels(data.source("val")) == {"3.png": 1}
    write_images(tmp_path, "test/c/7.png")
    assert labels(data.source("test")) == {"7.png": 2}
    before = data.train_fingerprint
    write_images(tmp_path, "train/c/8.png")
    again = ImageFolder(**options(tmp_path))
    again.setup("fit")
    assert again.train_fingerprint != before


def test_a_broken_image_is_replaced_in_the_loader(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_images(tmp_path, *[f"train/a/{n}.png" for n in range(4)], "val/a/0.png")
    (tmp_path / "train/a/2.png").write_bytes(b"\x89PNG\r\n\x1a\nrotten")
    data = ImageFolder(**options(tmp_path))
    data.setup("fit")
    batches = list(data.bank_dataloader())
    replaced = torch.cat([batch["replaced"] for batch in batches])
    assert replaced.tolist() == [-1, -1, 2, -1]
    assert 2 not in rows(batches)
    assert "train/a/2.png: " in caplog.text


def test_wrong_class_folders_are_named(tmp_path: Path) -> None:
    data = ImageFolder(**options(tmp_path))
    with pytest.raises(
        FileNotFoundError, match=r"ImageFolder: \S*/train is not a folder; expected \S*/train/<class>/"
    ):
        data.setup("fit")
    write_images(tmp_path, "train/a/1.png", "val/1.png")
    with pytest.raises(FileNotFoundError, match=r"\S*/val has no class folders; expected"):
        data.setup("fit")
    write_images(tmp_path, "val/other/1.png")
    with pytest.raises(
        ValueError, match=r"1 class folders in \S*/val are not in \S*/train, for example 'other'"
    ):
        data.setup("fit")
    (tmp_path / "val/other").rename(tmp_path / "val/a")
    (tmp_path / "val/a/1.png").unlink()
    with pytest.raises(ValueError, match=r"no usable image below root='\S*' in val: 0 images"):
        data.setup("fit")


def test_imagenet_counts_its_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path, "train/n02/a.JPEG", "train/n01/b.JPEG", "val/n01/c.JPEG", "val/n02/d.JPEG")
    with pytest.raises(
        ValueError, match=r"train has 2 class folders, not 1000; .*ImageFolder or ImageNet100"
    ):
        ImageNet(**options(tmp_path)).setup("fit")
    monkeypatch.setattr(ImageNet, "num_classes", 2)
    data = ImageNet(**options(tmp_path))
    data.setup("fit")
    assert data.class_names == ["n01", "n02"]
    assert labels(data.source("train")) == {"b.JPEG": 0, "a.JPEG": 1}
    assert labels(data.source("test")) == {"c.JPEG": 0, "d.JPEG": 1}


REFERENCE_2_6 = """
n01558993 n01692333 n01729322 n01735189 n01749939 n01773797 n01820546 n01855672 n01978455 n01980166 n01983481
n02009229 n02018207 n02085620 n02086240 n02086910 n02087046 n02089867 n02089973 n02090622 n02091831 n02093428
n02099849 n02100583 n02104029 n02105505 n02106550 n02107142 n02108089 n02109047 n02113799 n02113978 n02114855
n02116738 n02119022 n02123045 n02138441 n02172182 n02231487 n02259212 n02326432 n02396427 n02483362 n02488291
n02701002 n02788148 n02804414 n02859443 n02869837 n02877765 n02974003 n03017168 n03032252 n03062245 n03085013
n03259280 n03379051 n03424325 n03492542 n03494278 n03530642 n03584829 n03594734 n03637318 n03642806 n03764736
n03775546 n03777754 n03785016 n03787032 n03794056 n03837869 n03891251 n03903868 n03930630 n03947888 n04026417
n04067472 n04099969 n04111531 n04127249 n04136333 n04229816 n04238763 n04336792 n04418357 n04429376 n04435653
n04485082 n04493381 n04517823 n04589890 n04592741 n07714571 n07715103 n07753275 n07831146 n07836838 n13037406
n13040303
"""


def test_imagenet100_is_the_list_of_cmc_and_sce(tmp_path: Path) -> None:
    names = ImageNet100(**options(tmp_path)).class_names
    assert names == sorted(set(names)) == REFERENCE_2_6.split()
    assert len(names) == 100
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert re.search(
        rf'^"{IMAGENET100_LIST.relative_to(ROOT).parts[0]}" = "unlabelled/_app/', pyproject, re.M
    )


def test_imagenet100_takes_its_classes_out_of_imagenet(tmp_path: Path) -> None:
    names = REFERENCE_2_6.split()
    others = ["n00000001", "n02000000", "n99999999"]
    write_images(
        tmp_path, *[f"{split}/{n}/{n}_{split}.JPEG" for split in ("train", "val") for n in names + others]
    )
    data = ImageNet100(**options(tmp_path))
    data.setup("fit")
    assert labels(data.source("train")) == {f"{name}_train.JPEG": label for label, name in enumerate(names)}
    assert labels(data.source("test")) == {f"{name}_val.JPEG": label for label, name in enumerate(names)}
    (tmp_path / "val" / names[7]).rename(tmp_path / "val/hidden")
    with pytest.raises(
        FileNotFoundError, match=rf"1 of the 100 class folders are not in \S*/val, .* {names[7]};"
    ):
        ImageNet100(**options(tmp_path)).setup("validate")


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyImageNet:
    monkeypatch.setattr(TinyImageNet, "num_classes", 2)
    write_images(
        tmp_path, *[f"train/{name}/images/{name}_{n}.JPEG" for name in ("n02", "n01") for n in range(2)]
    )
    return TinyImageNet(**options(tmp_path))


def test_tiny_imagenet_by_its_annotations(tiny: TinyImageNet, tmp_path: Path) -> None:
    lines = ["val_0.JPEG\tn02\t0\t32\t44\t62", "val_1.JPEG\tn01\t0\t0\t1\t1", "val_2.JPEG\tn01\t0\t0\t1\t1"]
    write_images(tmp_path, "val/images/val_1.JPEG", "val/images/val_0.JPEG", "val/images/other.JPEG")
    (tmp_path / "val/val_annotations.txt").write_text("\n".join(lines) + "\n")
    assert tiny.class_names == ["n01", "n02"]
    assert labels(tiny.source("train")) == {
        "n01_0.JPEG": 0,
        "n01_1.JPEG": 0,
        "n02_0.JPEG": 1,
        "n02_1.JPEG": 1,
    }
    source = tiny.source("val")
    assert labels(source) == labels(tiny.source("test")) == {"val_0.JPEG": 1, "val_1.JPEG": 0}
    assert source.summary() == "val: 2 images of 3 listed; left out: missing 1 (val/images/val_2.JPEG)"
    (tmp_path / "val/val_annotations.txt").write_text("val_0.JPEG\tn02\nval_1.JPEG n01\n")
    with pytest.raises(ValueError, match=r"val_annotations\.txt, line 2: 'val_1.JPEG n01' is not"):
        tiny.source("val")


def test_tiny_imagenet_by_class_folders(tiny: TinyImageNet, tmp_path: Path) -> None:
    write_images(tmp_path, "val/n02/images/val_0.JPEG", "val/n01/val_1.JPEG")
    assert labels(tiny.source("val")) == {"val_0.JPEG": 1, "val_1.JPEG": 0}


# --- binary files ------------------------------------------------------------------------------------------


def write_cifar(root: Path, data_set: Any, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Write batches of 2 images under the official names, without their checksums; return the pixels."""
    folder = root / data_set.base_folder
    folder.mkdir()
    files = [name for name, _ in data_set.train_list + data_set.test_list]
    pixels = np.random.default_rng(0).integers(0, 256, (len(files), 2, 3, 32, 32), dtype=np.uint8)
    for number, name in enumerate(files):
        key = "labels" if data_set is datasets.CIFAR10 else "fine_labels"
        content = {"data": pixels[number].reshape(2, -1), key: [number, number + 1]}
        (folder / name).write_bytes(pickle.dumps(content))
    (folder / data_set.meta["filename"]).write_bytes(pickle.dumps({data_set.meta["key"]: ["cat", "dog"]}))
    for name in ("train_list", "test_list"):
        monkeypatch.setattr(data_set, name, [(file, None) for file, _ in getattr(data_set, name)])
    monkeypatch.setattr(data_set, "meta", {**data_set.meta, "md5": None})
    return pixels


@pytest.mark.parametrize(("module", "data_set"), [(CIFAR10, datasets.CIFAR10), (CIFAR100, datasets.CIFAR100)])
def test_cifar(module: type[CIFAR10], data_set: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = module(**options(tmp_path))
    with pytest.raises(
        FileNotFoundError, match=rf"{module.__name__}: .* expected the Python version in \S*/cifar-10"
    ):
        data.setup("fit")
    pixels = write_cifar(tmp_path, data_set, monkeypatch)
    data.setup("fit")
    assert data.class_names == ["cat", "dog"]
    source, reference = data.source("train"), data_set(tmp_path, train=True)
    assert len(source) == data.num_train_samples == len(pixels[:-1]) * 2
    for row in range(len(source)):
        image, label = reference[row]
        np.testing.assert_array_equal(source.image(row).permute(1, 2, 0), np.asarray(image))
        assert source.labels[row] == label
    np.testing.assert_array_equal(data.source("test").image(1), pixels[-1, 1])
    assert only(data.val_dataloader())["label"].tolist() == [len(pixels) - 1, len(pixels)]
    assert data.clip_paths("val")[1] == f"{module.__name__} test[1]"


class _Program:
    """A pickle of it creates a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_no_code_is_run_from_the_class_names_of_cifar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar(tmp_path, datasets.CIFAR10, monkeypatch)
    meta = tmp_path / "cifar-10-batches-py" / "batches.meta"
    meta.write_bytes(pickle.dumps({"label_names": _Program(tmp_path / "run")}))
    with pytest.raises(UnsafePickleError, match=r"batches\.meta is refused: "):
        _ = CIFAR10(**options(tmp_path)).class_names
    assert not (tmp_path / "run").exists()


@pytest.fixture
def stl10(tmp_path: Path) -> dict[str, np.ndarray]:
    """Two training images, three test images and four unlabelled ones, as stored."""
    folder, generator = tmp_path / "stl10_binary", np.random.default_rng(0)
    folder.mkdir()
    pixels = {}
    for name, number in (("train", 2), ("test", 3), ("unlabeled", 4)):
        pixels[name] = generator.integers(0, 256, (number, 3, 96, 96), dtype=np.uint8)
        pixels[name].tofile(folder / f"{name}_X.bin")
    np.array([10, 1], np.uint8).tofile(folder / "train_y.bin")
    np.array([2, 3, 4], np.uint8).tofile(folder / "test_y.bin")
    (folder / "class_names.txt").write_text("airplane\nbird\ncar\n")
    return pixels


@pytest.mark.parametrize(
    ("train_split", "expected"),
    [("unlabeled", [-1] * 4), ("train", [9, 0]), ("train+unlabeled", [9, 0, -1, -1, -1, -1])],
)
def test_stl10(train_split: Any, expected: list[int], stl10: dict[str, np.ndarray], tmp_path: Path) -> None:
    data = STL10(train_split=train_split, **options(tmp_path))
    data.setup("fit")
    assert data.class_names == ["airplane", "bird", "car"]
    source = data.source("train")
    assert source.labels.tolist() == expected
    stored = np.concatenate([stl10[name] for name in train_split.split("+")])
    for row in range(len(source)):  # stored column by column
        np.testing.assert_array_equal(source.image(row), stored[row].transpose(0, 2, 1))
    bank = only(data.bank_dataloader())
    assert bank["label"].tolist() == [9, 0]
    assert torch.equal(bank["image"], torch.from_numpy(stl10["train"])[:, :, :1, :1])
    assert only(data.val_dataloader())["label"].tolist() == [1, 2, 3]


def test_stl10_pixels_are_torchvisions(
    stl10: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.STL10, "_check_integrity", lambda self: True)
    for split, name in (("train", "train+unlabeled"), ("test", "test")):
        reference = datasets.STL10(tmp_path, split=name)
        source = STL10(train_split="train+unlabeled", **options(tmp_path)).source(split)
        assert len(source) == len(reference)
        for row in range(len(source)):
            image, label = reference[row]
            np.testing.assert_array_equal(source.image(row).permute(1, 2, 0), np.asarray(image))
            assert source.labels[row] == label


def test_stl10_files_are_checked(stl10: dict[str, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "stl10_binary" / "unlabeled_X.bin"
    path.write_bytes(path.read_bytes()[:-1])
    data = STL10(**options(tmp_path))
    with pytest.raises(
        ValueError, match=r"unlabeled_X\.bin has 110591 bytes, not a multiple of 27648; fetch it"
    ):
        data.setup("fit")
    path.unlink()
    with pytest.raises(
        FileNotFoundError, match=r"STL10: there is no \S*unlabeled_X\.bin; expected the binary"
    ):
        data.setup("fit")
    np.zeros(4, np.uint8).tofile(tmp_path / "stl10_binary" / "test_y.bin")
    with pytest.raises(ValueError, match=r"test_X\.bin has 3 images, test_y\.bin 4 labels"):
        data.setup("test")


@pytest.mark.parametrize(
    ("module", "data_set"), [(CIFAR10, "CIFAR10"), (CIFAR100, "CIFAR100"), (STL10, "STL10")]
)
def test_files_are_fetched_only_when_asked_for(
    module: Any, data_set: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for each in (datasets.CIFAR10, datasets.STL10):
        monkeypatch.setattr(each, "download", lambda self: calls.append(type(self).__name__) or 1 / 0)
    for download in (False, True):
        data = module(download=download, **options(tmp_path))
        data.trainer = SimpleNamespace(state=SimpleNamespace(fn=SimpleNamespace(value="fit")))
        if download:
            with pytest.raises(ZeroDivisionError):
                data.prepare_data()
        else:
            data.prepare_data()
    assert calls == [data_set]


# --- several classes per image -----------------------------------------------------------------------------


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    folder = tmp_path / "VOCdevkit" / "VOC2007"
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    write_images(folder, "JPEGImages/000001.jpg", "JPEGImages/000002.jpg", "JPEGImages/000007.jpg")
    lists = {"trainval": {"000001": {"dog": 1, "cat": 0}, "000007": {"person": 1, "dog": 1}}}
    lists["test"] = {"000002": {"aeroplane": 1}, "000009": {}}
    for split, images in lists.items():
        for name in VOC_CLASSES:
            lines = [f"{image} {found.get(name, -1):>2}" for image, found in images.items()]
            (folder / "ImageSets" / "Main" / f"{name}_{split}.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.parametrize("below", ["", "VOCdevkit", "VOCdevkit/VOC2007"])
def test_voc2007(below: str, voc: Path) -> None:
    data = VOC2007(**options(voc / below))
    data.setup("test")
    assert data.class_names == sorted(VOC_CLASSES)
    assert len(data.class_names) == 20
    train = only(data.bank_dataloader())["label"]
    assert train.shape == (2, 20)
    assert train.dtype == torch.float32
    assert [
        {VOC_CLASSES[int(column)]: float(row[column]) for column in row.nonzero().flatten()} for row in train
    ] == [{"dog": 1.0, "cat": -1.0}, {"person": 1.0, "dog": 1.0}]
    assert only(data.test_dataloader())["label"].sum(0)[0] == 1
    assert (
        "1 images of 2 listed; left out: missing 1 (JPEGImages/000009.jpg)" in data.source("test").summary()
    )


def test_voc2007_lists_are_checked(voc: Path) -> None:
    main = voc / "VOCdevkit" / "VOC2007" / "ImageSets" / "Main"
    data = VOC2007(**options(voc))
    (main / "dog_trainval.txt").write_text("000001 1\n")
    with pytest.raises(
        ValueError, match=r"VOC2007: dog_trainval\.txt lists other images than aeroplane_trainval"
    ):
        data.setup("fit")
    (main / "dog_trainval.txt").write_text("000001 1\n000007 2\n")
    with pytest.raises(
        ValueError, match=r"dog_trainval\.txt, line 2: '000007 2' is not an image and -1, 0 or 1"
    ):
        data.setup("fit")
    (main / "dog_trainval.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"VOC2007: there is no \S*dog_trainval\.txt"):
        data.setup("fit")
    with pytest.raises(FileNotFoundError, match=r"VOC2007: there is no ImageSets/Main in .*/VOC2007"):
        VOC2007(**options(main)).setup("fit")
