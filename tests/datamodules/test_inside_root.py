"""No list and no link leads a data module out of its root."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import datamodules
from datamodules.flickr_files import scan_flickr
from datamodules.tiny_imagenet import TinyImageNet
from datamodules.voc2007 import VOC_CLASSES
from tests._helpers.audio_files import esc50
from tests._helpers.data_layouts import Plain, Silent, videos, write_images
from unlabelled.data.datasets.crosstask_release import read_videos
from unlabelled.data.datasets.howto100m import FeatureFiles
from unlabelled.data.datasets.howto100m_list import listed_paths
from unlabelled.data.features.column_format import scalar
from unlabelled.data.features.column_writer import ColumnWriter
from unlabelled.data.features.columns import ColumnTable
from unlabelled.data.inside import OutsideRootError
from unlabelled.data.media.reader import DecodeError

OUT = "../private/secret"


def clips(name: str, root: Path, **options: Any) -> Any:
    return getattr(datamodules, name)(str(root), pipeline=Silent(), num_workers=0, **options)


def images(name: str, root: Path, **options: Any) -> Any:
    return getattr(datamodules, name)(str(root), pipeline=Plain(), num_workers=0, **options)


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def vggsound(root: Path) -> Any:
    write(root, "vggsound.csv", f"a,1,dog,train\n{OUT},3,cat,train\n")
    return clips("VGGSound", root).listing("train")


def kinetics(root: Path) -> Any:
    write(root, "train.csv", f"label,youtube_id,time_start,time_end,split\ndog,{OUT},1,11,train\n")
    return clips("Kinetics", root).listing("train")


def ucf101(root: Path) -> Any:
    write(root, "trainlist01.txt", f"Yo/a.avi 1\n{OUT}.avi 2\n")
    write(root, "testlist01.txt", "Yo/b.avi\n")
    return clips("UCF101", root).listing("train")


def hmdb51(root: Path) -> Any:
    write(root, "brush_test_split1.txt", f"a.avi 2\n{OUT}.avi 1\n")
    return clips("HMDB51", root).listing("train")


def ave(root: Path) -> Any:
    for name in ("trainSet.txt", "valSet.txt", "testSet.txt"):
        write(root, name, f"Dog&a&good&0&10\nDog&{OUT}&good&0&10\n")
    return clips("AVE", root).listing("train")


def esc(root: Path) -> Any:
    table = esc50(root, classes=2) / "meta" / "esc50.csv"
    header, first, *rest = table.read_text().splitlines()
    table.write_text("\n".join([header, ",".join([f"{OUT}.wav", *first.split(",")[1:]]), *rest]))
    return clips("ESC50", root).rows


def something(root: Path) -> Any:
    write(root, "labels.json", json.dumps({"Holding something": "0"}))
    write(root, "train.json", json.dumps([{"id": OUT, "template": "Holding [something]"}]))
    return clips("SomethingSomethingV2", root).listing("train")


def tiny_imagenet(root: Path) -> Any:
    write(root, "val/val_annotations.txt", f"{OUT}.jpg\tn1\t0\n")
    write_images(root, "train/n1/images/a.png")
    data = TinyImageNet(str(root), pipeline=Plain())
    data.num_classes = 1
    return data.source("val")


def voc2007(root: Path) -> Any:
    for name in VOC_CLASSES:
        write(root, f"ImageSets/Main/{name}_test.txt", f"{OUT} 1\n")
    return images("VOC2007", root).source("test")


def crosstask(root: Path) -> Any:
    write(root, "videos.csv", f"1,a,url\n1,{OUT},url\n")
    return read_videos(root / "videos.csv")


def howto100m(root: Path) -> Any:
    write(root, "train.csv", f"path\nfood/a\n{OUT}\n")
    return list(listed_paths(str(root / "train.csv")))


def own_clips(root: Path) -> Any:
    write(root, "list.csv", f"path\nclass/b.mp4\n{OUT}.mp4\n")
    return clips("Videos", root, table="list.csv").listing("train")


def own_absolute(root: Path) -> Any:
    write(root, "list.csv", f"path\nclass/b.mp4\n{root.parent}/private/secret.mp4\n")
    return clips("Sounds", root, table="list.csv").listing("train")


def own_images(root: Path) -> Any:
    write_images(root, "a.png", "b.png", "../private/secret.png")
    write(root, "list.csv", f"path\na.png\n{OUT}.png\n")
    return images("Images", root, table="list.csv").source("train")


LISTS = [
    vggsound, kinetics, ucf101, hmdb51, ave, esc, something, tiny_imagenet, voc2007, crosstask, howto100m,
    own_clips, own_absolute, own_images,
]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, tiny_root: Path) -> Path:
    """Return a root beside a folder with a private clip."""
    first, second = videos(tiny_root)[:2]
    for name, source in (
        ("private/secret.mp4", first),
        ("root/class/a.mp4", second),
        ("root/class/b.mp4", first),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, tmp_path / name)
    return tmp_path / "root"


@pytest.mark.parametrize("read", LISTS)
def test_a_row_that_leads_out_is_named(read: Callable[[Path], Any], root: Path) -> None:
    with pytest.raises(
        ValueError, match=r"(row|line|entry) \d+: .*private/secret.* leads out of the root"
    ) as caught:
        read(root)
    assert "\n" not in str(caught.value)


def test_a_list_of_a_new_data_module_is_checked(root: Path) -> None:
    write(root, "vggsound.csv", "a,1,dog,train\n")
    data = clips("VGGSound", root)
    data.rows = [(OUT, 3, "dog", "train")]  # as one that does not check its rows would
    with pytest.raises(OutsideRootError, match=r"VGGSound, train: .* leads out of the root"):
        data.find("train")


def test_own_files_outside_can_be_allowed(root: Path) -> None:
    write(root, "list.csv", f"path,split\nclass/b.mp4,train\n{OUT}.mp4,train\n{root}/class/a.mp4,val\n")
    data = clips("Videos", root, table="list.csv", allow_outside=True)
    assert [entry.path for entry in data.find("train").entries] == ["class/b.mp4", f"{OUT}.mp4"]
    assert [entry.path for entry in data.find("val").entries] == ["class/a.mp4"]


@pytest.mark.parametrize(
    ("name", "link"),
    [("Videos", "class/c.mp4"), ("Kinetics", "train/dog/c.mp4"), ("DCASE2014", "scenes_stereo/bus01.wav")],
)
def test_a_link_to_a_file_outside_is_refused_unless_allowed(name: str, link: str, root: Path) -> None:
    (root / link).parent.mkdir(parents=True, exist_ok=True)
    (root / link).symlink_to(root.parent / "private" / "secret.mp4")
    with pytest.raises(ValueError, match=rf"{link} is a link to .*secret\.mp4, outside of the root; copy it"):
        clips(name, root).listing("train")
    options = {"val_share": 0.0} if name == "Videos" else {}
    listed = clips(name, root, allow_outside=True, **options).listing("train")
    assert link in [entry.path for entry in listed]


def test_linked_class_folders_of_images(root: Path) -> None:
    write_images(root, "train/n1/a.png", "../elsewhere/val/n1/b.png", "../elsewhere/n2/c.png")
    (root / "val").symlink_to(root.parent / "elsewhere" / "val")  # the root is made of it
    assert len(images("ImageFolder", root).source("val")) == 1
    (root / "train" / "n2").symlink_to(root.parent / "elsewhere" / "n2")
    with pytest.raises(OutsideRootError, match="train/n2 is a link to"):
        images("ImageFolder", root).source("train")
    source = images("ImageFolder", root, allow_outside=True).source("train")
    assert torch.equal(source.labels, torch.tensor([0, 1]))


def test_linked_annotations_of_boxes(root: Path) -> None:
    write(root, "../private/12.xml", "<a/>")
    (root / "class" / "12.xml").symlink_to("../../private/12.xml")
    with pytest.raises(OutsideRootError, match=r"class/12\.xml is a link to"):
        scan_flickr(str(root))
    assert scan_flickr(str(root), allow_outside=True).annotations == {"12": "class/12.xml"}


def test_linked_feature_files(root: Path) -> None:
    (root / "features" / "food").mkdir(parents=True)
    np.savez(root.parent / "private" / "a_2d.npz", features=np.ones((3, 4)))
    (root / "features" / "food" / "a_2d.npz").symlink_to(root.parent / "private" / "a_2d.npz")
    with pytest.raises(DecodeError, match=r"a link to .*private/a_2d\.npz, outside of the root"):
        FeatureFiles().read(str(root), "food/a", "rows_2d")
    rows, _ = FeatureFiles(allow_outside=True).read(str(root), "food/a", "rows_2d")
    assert rows.shape == (3, 4)


def test_columns_of_a_table_are_files_of_it(root: Path) -> None:
    with ColumnWriter(str(root / "table"), {"x": scalar("f4")}) as writer:
        writer.append({"x": 1.0})
    description = root / "table" / "table.json"
    description.write_text(description.read_text().replace('"x"', '"../../private/x"'))
    with pytest.raises(ValueError, match=r"column name '\.\./\.\./private/x' must consist of letters"):
        ColumnTable(str(root / "table"))
