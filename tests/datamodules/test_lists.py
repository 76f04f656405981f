"""Lists of data sets as editors and spreadsheets write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from datamodules import AVE, ESC50, Kinetics, SomethingSomethingV2, VGGSound
from datamodules.flickr_files import read_numbers
from tests._helpers.audio_files import esc50
from tests._helpers.data_layouts import Silent
from unlabelled.data.datasets.crosstask_release import read_videos
from unlabelled.data.datasets.howto100m_list import listed_paths

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16"]
CLASSES = ["caf\u00e9 $20", "שלום", "\N{DOG FACE} a_b\\c"]


def rewrite(path: Path, encoding: str) -> None:
    path.write_bytes(path.read_text("utf-8").encode(encoding))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_list_is_read_in_each_encoding(encoding: str, tmp_path: Path) -> None:
    rows = [f"id{number},3,{name},{'train' if number else 'test'}" for number, name in enumerate(CLASSES)]
    (tmp_path / "vggsound.csv").write_bytes("\r\n".join(rows).encode(encoding))
    data = VGGSound(str(tmp_path), pipeline=Silent())
    assert data.class_names == sorted(CLASSES)
    assert [entry.path for entry in data.listing("test")] == ["id0_000003.mp4"]
    text = "label,youtube_id,time_start,time_end,split\n" + f"{CLASSES[0]},abc,1,11,train\n"
    (tmp_path / "train.csv").write_bytes(text.encode(encoding))
    assert Kinetics(str(tmp_path), pipeline=Silent()).class_names == [CLASSES[0]]
    (tmp_path / "trainSet.txt").write_bytes(f"{CLASSES[1]}&v&good&0&10\n".encode(encoding))
    for name in ("valSet.txt", "testSet.txt"):
        (tmp_path / name).write_bytes("Category&VideoID&Quality&StartTime&EndTime\n".encode(encoding))
    assert AVE(str(tmp_path), pipeline=Silent()).class_names == [CLASSES[1]]
    (tmp_path / "labels.json").write_bytes(json.dumps({CLASSES[2]: "0"}).encode(encoding))
    assert SomethingSomethingV2(str(tmp_path), pipeline=Silent()).class_names == [CLASSES[2]]
    (tmp_path / "numbers.txt").write_bytes(b"\xef\xbb\xbf12.wav\n")
    assert list(read_numbers(tmp_path / "numbers.txt")) == ["12"]
    (tmp_path / "videos.csv").write_bytes("task,v,url\n".encode(encoding))
    assert read_videos(tmp_path / "videos.csv") == [("task", "v")]
    (tmp_path / "train_list.csv").write_bytes("path\nfood/a\n".encode(encoding))
    assert list(listed_paths(str(tmp_path / "train_list.csv"))) == ["food/a"]
    rewrite(esc50(tmp_path / "esc", classes=2) / "meta" / "esc50.csv", encoding)
    assert ESC50(str(tmp_path / "esc"), pipeline=Silent()).rows[0].target == 0


def test_a_class_in_one_split_only_is_named(tmp_path: Path) -> None:
    for name in ("train/a/1.mp4", "val/a/2.mp4", "val/b/3.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    data = Kinetics(str(tmp_path), pipeline=Silent())
    with pytest.warns(UserWarning, match=r"val: of classes .* left out: 1 \(val/b/3\.mp4 \(b\)\)"):
        assert [entry.path for entry in data.listing("val")] == ["val/a/2.mp4"]


def test_another_encoding_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "vggsound.csv").write_bytes("a,1,dog,train\nb,1,café,test\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"vggsound\.csv, row 2: byte 0xe9 is not UTF-8; .*Latin-1"):
        _ = VGGSound(str(tmp_path), pipeline=Silent()).class_names


def test_forms_of_a_name_are_one_class(tmp_path: Path) -> None:
    rows = ["a,1,caf\u00e9,train", "b,1,cafe\u0301,test", 'c,1,"two\nlines",test']
    (tmp_path / "vggsound.csv").write_text("\n".join(rows))
    (tmp_path / "a_000001.mp4").touch()
    assert VGGSound(str(tmp_path), pipeline=Silent()).class_names == ["café", "two lines"]
