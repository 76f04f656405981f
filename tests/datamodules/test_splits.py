"""A file, or a video, that serves both training and evaluation is refused, or counted and named."""

from __future__ import annotations

import csv
import json
import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datamodules import (
    AVE,
    ESC50,
    HMDB51,
    UCF101,
    FlickrSoundNet,
    ImageFolder,
    Kinetics,
    SomethingSomethingV2,
    VGGSound,
)
from datamodules.images import ImageDataModule
from datamodules.splits import SharedFileError, compare_splits
from tests._helpers.data_layouts import Plain, Silent, videos, write_images
from unlabelled.commands.errors.run_errors import line_for_user
from unlabelled.data.datasets.images import ImageArrays, ImageFiles, ImageSource
from unlabelled.pipelines import AudioPipeline

CLIPS = {"pipeline": Silent(), "num_workers": 0, "index_workers": 0}


def write(root: Path, name: str, *lines: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("".join(f"{line}\n" for line in lines))


def touch(root: Path, *names: str) -> None:
    for name in names:
        write(root, name)


def warned(action: Callable[[], Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    return [str(each.message) for each in caught]


def compared(data: Any) -> list[str]:
    return warned(lambda: compare_splits(data, "train"))


def own(root: Path, *lines: str) -> VGGSound:
    write(root, "vggsound.csv", *lines)
    return VGGSound(str(root), **CLIPS)


def test_a_file_of_an_own_list_that_is_in_both_splits_is_an_error_of_one_line(tmp_path: Path) -> None:
    data = own(tmp_path, "a,1,x,train", "b,2,x,train", "a,1,x,test", "c,3,x,test")
    touch(tmp_path, "a_000001.mp4", "b_000002.mp4", "c_000003.mp4")
    with pytest.raises(SharedFileError) as caught:
        compare_splits(data, "train")
    assert line_for_user(caught.value) == (
        f"error: VGGSound, root='{tmp_path}', train and val and test: files in both: 1 (a_000001.mp4); "
        "leave each file in one of them"
    )
    assert compared(own(tmp_path, "a,1,x,train", "b,2,x,test")) == []


def test_links_do_not_hide_a_file_and_copies_are_counted(tmp_path: Path) -> None:
    data = own(tmp_path, *(f"{name},1,x,train" for name in "abcdefg"), *(f"{n},1,x,test" for n in "hijklmno"))
    for name in "abcdefg":
        (tmp_path / f"{name}_000001.mp4").write_bytes(name.encode() * 100_000)
    for name, of in zip("hijklm", "abcdef", strict=True):
        shutil.copy(tmp_path / f"{of}_000001.mp4", tmp_path / f"{name}_000001.mp4")
    (tmp_path / "n_000001.mp4").write_bytes(b"g" * 99_999 + b"n")  # as long as the others
    assert compared(data) == [
        f"VGGSound, root='{tmp_path}', train and held-out: files of equal contents: 6 ("
        + ", ".join(f"{a}_000001.mp4 = {b}_000001.mp4" for a, b in zip("abcde", "hijkl", strict=True))
        + ", … and 1 more)"
    ]
    (tmp_path / "o_000001.mp4").symlink_to(tmp_path / "g_000001.mp4")
    with pytest.raises(SharedFileError, match=r"files in both: 1 \(g_000001.mp4\)"):
        compare_splits(data, "train")


def test_the_official_list_is_compared_but_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VGGSound, "num_classes", 1)
    data = own(tmp_path, "a,1,x,train", "b,2,x,train", "a,1,x,test", "b,7,x,test")
    assert compared(data) == [
        f"VGGSound, root='{tmp_path}', train and val and test: files in both: 1 (a_000001.mp4); so the "
        "published lists have it",
        "VGGSound, train and val and test: videos of which both have a part: 2 (a, b)",
    ]


def kinetics(root: Path) -> tuple[Any, str]:
    header = "label,youtube_id,time_start,time_end,split"
    write(root, "train.csv", header, "x,AAAAAAAAAAA,1,11,train", "x,BBBBBBBBBBB,1,11,train")
    write(root, "val.csv", header, "x,AAAAAAAAAAA,20,30,val", "x,CCCCCCCCCCC,1,11,val")
    touch(root, "AAAAAAAAAAA.mp4")  # the whole video, of which both rows are parts
    return Kinetics(str(root), **CLIPS), "AAAAAAAAAAA.mp4"


def ave(root: Path) -> tuple[Any, str]:
    write(root, "trainSet.txt", "x&a&good&0&10", "x&b&good&0&10")
    write(root, "valSet.txt", "x&c&good&0&10")
    write(root, "testSet.txt", "x&b&good&0&10")
    touch(root, "AVE/b.mp4")
    return AVE(str(root), **CLIPS), "AVE/b.mp4"


def ucf(root: Path) -> tuple[Any, str]:
    write(root, "trainlist01.txt", "A/v_A_g01_c01.avi 1", "A/v_A_g02_c01.avi 1")
    write(root, "testlist01.txt", "A/v_A_g02_c01.avi")
    touch(root, "A/v_A_g02_c01.avi")
    return UCF101(str(root), **CLIPS), "A/v_A_g02_c01.avi"


def hmdb(root: Path) -> tuple[Any, str]:
    write(root, "A_test_split1.txt", "a.avi 1", "b.avi 1", "b.avi 2")
    return HMDB51(str(root), **CLIPS), "A/b.avi"


def something(root: Path) -> tuple[Any, str]:
    write(root, "labels.json", json.dumps({"x": "0"}))
    write(root, "train.json", json.dumps([{"id": name, "template": "x"} for name in "12"]))
    write(root, "validation.json", json.dumps([{"id": name, "template": "x"} for name in "23"]))
    return SomethingSomethingV2(str(root), **CLIPS), "2.webm"


def esc(root: Path) -> tuple[Any, str]:
    rows = [f"{fold}-{clip}-A-0.wav,{fold},0,x" for fold, clip in ((1, 5), (2, 6))]
    write(root, "esc50.csv", "filename,fold,target,category", *rows, "1-5-A-0.wav,2,0,x")
    return ESC50(str(root), pipeline=AudioPipeline(), num_workers=0), "audio/1-5-A-0.wav"


@pytest.mark.parametrize("layout", [kinetics, ave, ucf, hmdb, something, esc])
def test_published_lists_name_a_file_in_both_splits(
    layout: Callable[[Path], tuple[Any, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (UCF101, HMDB51, ESC50):
        monkeypatch.setattr(module, "num_classes", 1)
    data, shared = layout(tmp_path)
    lines = compared(data)
    splits = "train and test" if layout is ave else "train and val and test"
    name = type(data).__name__
    assert lines[0] == (
        f"{name}, root='{tmp_path}', {splits}: files in both: 1 ({shared}); so the published lists have it"
    )
    videos_of = {kinetics: ["1 (AAAAAAAAAAA)"], esc: ["1 (5)"], ucf: ["1 (v_A_g02)"]}.get(layout, [])
    rest = [f"{name}, {splits}: videos of which both have a part: {each}" for each in videos_of]
    assert lines[1:] == rest


def test_a_list_that_is_absent_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ave(tmp_path)
    data = AVE(str(tmp_path), **CLIPS)
    assert data.class_names == ["x"]
    (tmp_path / "testSet.txt").unlink()
    with caplog.at_level("INFO"):
        assert compared(data) == []
    assert "test is not compared with the training samples: AVE: none of testSet.txt" in caplog.text


def test_flickr_keeps_videos_of_the_test_list_out_of_training(tmp_path: Path) -> None:
    write(tmp_path, "flickr_10k.txt", "1", "2")
    write(tmp_path, "test_list.txt", "2")
    touch(tmp_path, "1.mp4", "2.mp4")
    data = FlickrSoundNet(str(tmp_path), **CLIPS)
    assert [entry.path for entry in data.listing("train")] == ["1.mp4"]
    assert compared(data) == []


def test_image_folders(tmp_path: Path) -> None:
    write_images(tmp_path, *(f"{split}/a/{n}.png" for split in ("train", "val", "test") for n in range(2)))
    shutil.copy(tmp_path / "train/a/1.png", tmp_path / "test/a/copy.png")
    data = ImageFolder(str(tmp_path), pipeline=Plain(), num_workers=0)
    (line,) = warned(lambda: data.setup("fit"))
    assert line.endswith("train and held-out: files of equal contents: 1 (train/a/1.png = test/a/copy.png)")
    shutil.rmtree(tmp_path / "test")
    (tmp_path / "test").symlink_to(tmp_path / "train")
    with pytest.raises(SharedFileError, match=r"train and test: files in both: 2 \(train/a/0.png, train/a/1"):
        ImageFolder(str(tmp_path), pipeline=Plain(), num_workers=0).setup("fit")


def test_the_bank_is_compared_when_it_is_found_in_a_test(tmp_path: Path) -> None:
    write_images(tmp_path, *(f"{split}/a/{n}.png" for split in ("train", "val", "test") for n in range(2)))
    shutil.copy(tmp_path / "train/a/1.png", tmp_path / "test/a/copy.png")
    data = ImageFolder(str(tmp_path), pipeline=Plain(), num_workers=0)
    assert warned(lambda: data.setup("test")) == []
    assert len(warned(data.bank_dataloader)) == 1
    assert warned(data.bank_dataloader) == []


class ImageList(ImageDataModule):
    """A data module that defines no more than it must."""

    class_names = ("x",)

    def __init__(self, root: str, lists: dict[str, Sequence[str]]) -> None:
        super().__init__(root, Plain(), num_workers=0)
        self.lists = lists

    def source(self, split: str) -> ImageSource:
        names = self.lists[split]
        labels = torch.zeros(len(names), dtype=torch.int64)
        return ImageFiles(split, self.root, names, labels)


class ImageArray(ImageList):
    """Arrays whose rows have the same names in both splits, which are no files."""

    def source(self, split: str) -> ImageSource:
        return ImageArrays(
            split, "own", [np.zeros((2, 3, 4, 4), np.uint8)], torch.zeros(2, dtype=torch.int64)
        )


def test_a_new_data_module_needs_no_code_for_it(tmp_path: Path) -> None:
    write_images(tmp_path, "1.png", "2.png", "3.png")
    shutil.copy(tmp_path / "1.png", tmp_path / "4.png")
    with pytest.raises(SharedFileError, match=r"ImageList, .*, train and val: files in both: 1 \(2.png\)"):
        ImageList(str(tmp_path), {"train": ["1.png", "2.png"], "val": ["2.png", "3.png"]}).setup("fit")
    data = ImageList(str(tmp_path), {"train": ["1.png", "2.png"], "val": ["3.png", "4.png"]})
    (line,) = warned(lambda: data.setup("fit"))
    assert line.endswith("files of equal contents: 1 (1.png = 4.png)")
    assert warned(lambda: ImageArray(str(tmp_path), {}).setup("fit")) == []


def test_stems_of_several_files_and_rows_that_are_listed_twice(tmp_path: Path, tiny_root: Path) -> None:
    source = videos(tiny_root)
    names = ("a_000001.mp4", "a_000001.mkv", "x/b_000001.mp4", "y/b_000001.mp4", "c_000001.mp4")
    for number, name in enumerate((*names, "d_000001.mp4", "z/d_000001.avi")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(source[number], tmp_path / name)
    (tmp_path / "link").symlink_to(tmp_path / "x")  # the same file under a second path is no other file
    data = own(tmp_path, "a,1,x,train", "b,1,x,train", "a,1,x,train", "c,1,x,test", "d,1,x,test")
    assert warned(lambda: data.setup("fit")) == [
        "VGGSound, train: files listed more than once: 1 (a_000001.mkv)",
        "VGGSound, train: stems of several files: 2 (a_000001.mkv, not a_000001.mp4, link/b_000001.mp4, not "
        "y/b_000001.mp4)",
        "VGGSound, val: stems of several files: 1 (d_000001.mp4, not z/d_000001.avi)",
    ]
    assert [entry.path for entry in data._indices["train"].entries].count("a_000001.mkv") == 2


def test_the_embedded_data_sets_share_nothing(tiny_root: Path) -> None:
    with (tiny_root / "vggsound.csv").open(newline="") as file:
        assert len({row[0] for row in csv.reader(file)}) == len(videos(tiny_root))
    data = VGGSound(str(tiny_root), **CLIPS)
    assert not data.published
    assert warned(lambda: data.setup("fit")) == []
