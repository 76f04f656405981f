"""UCF101, HMDB51 and Something-Something v2, each in a tiny copy of its layout."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from datamodules import HMDB51, UCF101, SomethingSomethingV2
from tests._helpers.data_layouts import Silent, videos


def options(root: Path) -> dict[str, Any]:
    return {"root": str(root), "pipeline": Silent(), "num_workers": 0, "index_workers": 0}


def found(data: Any, split: str) -> list[tuple[str, int]]:
    return [(entry.path, entry.label) for entry in data.listing(split)]


def link(root: Path, target: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(target, root / name)


@pytest.fixture
def ucf(tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(UCF101, "num_classes", 2)
    link(
        tmp_path,
        videos(tiny_root)[0],
        "UCF-101/Yo/v_Yo_g08_c01.mp4",
        "flat/v_Bow_g01_c01.mp4",
        "v_Yo_g01_c02.mp4",
    )
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "trainlist01.txt").write_text("Yo/v_Yo_g08_c01.avi 2\nBow/v_Bow_g09_c01.avi 1\r\n\n")
    (lists / "testlist01.txt").write_text("Bow/v_Bow_g01_c01.avi\nYo/v_Yo_g01_c02.avi\n")
    (lists / "trainlist02.txt").write_text("Yo/v_Yo_g01_c02.avi 2\n")
    (lists / "testlist02.txt").write_text("Bow/v_Bow_g01_c01.avi\n")
    return tmp_path


def test_ucf101(ucf: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = UCF101(**options(ucf))
    assert data.class_names == ["Bow", "Yo"]
    assert found(data, "train") == [("UCF-101/Yo/v_Yo_g08_c01.mp4", 1), ("Bow/v_Bow_g09_c01.avi", 0)]
    test = [("flat/v_Bow_g01_c01.mp4", 0), ("v_Yo_g01_c02.mp4", 1)]
    assert found(data, "val") == found(data, "test") == test
    assert found(UCF101(fold=2, **options(ucf)), "train") == [("v_Yo_g01_c02.mp4", 1)]
    with caplog.at_level("INFO"):
        data.setup("fit")
    assert "train: 1 of 2 clips usable; left out 1: missing 1 (Bow/v_Bow_g09_c01.avi)" in caplog.text
    assert data.num_train_samples == 1
    (batch,) = data.bank_dataloader()
    assert batch["label"].tolist() == [1]


def test_ucf101_lists_are_checked(ucf: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"UCF101: the official lists of fold 3 are neither in root='\S*' nor in"
    ):
        UCF101(fold=3, **options(ucf)).listing("train")
    (ucf / "ucfTrainTestlist" / "testlist01.txt").write_text("Bow/v_Bow_g01_c01.avi\nv_Yo_g01_c02.avi\n")
    with pytest.raises(
        ValueError, match=r"testlist01\.txt, line 2: 'v_Yo_g01_c02.avi' is not `Class/file.avi"
    ):
        UCF101(**options(ucf)).listing("train")
    (ucf / "ucfTrainTestlist" / "trainlist02.txt").write_text("Jump/v_Jump.avi 3\nYo/v_Yo.avi 2\n")
    with pytest.raises(ValueError, match=r"the lists of fold 2 in root='\S*' have 3 classes, not 2"):
        UCF101(fold=2, **options(ucf)).listing("train")


@pytest.fixture
def hmdb(tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(HMDB51, "num_classes", 2)
    link(tmp_path, videos(tiny_root)[0], "brush_hair/same.avi", "wave/same.avi", "wave/#1_(x)!.avi")
    lists = tmp_path / "testTrainMulti_7030_splits"
    lists.mkdir()
    (lists / "brush_hair_test_split1.txt").write_text("same.avi 2 \nunused.avi 0 \n")
    (lists / "wave_test_split1.txt").write_text("same.avi 1 \n#1_(x)!.avi 1 \ngone.avi 2 \n")
    (lists / "wave_test_split2.txt").write_text("same.avi 2 \n")
    return tmp_path


def test_hmdb51(hmdb: Path) -> None:
    data = HMDB51(**options(hmdb))
    assert data.class_names == ["brush_hair", "wave"]
    assert found(data, "train") == [("wave/same.avi", 1), ("wave/#1_(x)!.avi", 1)]
    assert found(data, "val") == found(data, "test") == [("brush_hair/same.avi", 0), ("wave/gone.avi", 1)]
    data.setup("test")
    assert data.clip_paths("test") == [f"{hmdb}/brush_hair/same.avi"]


def test_hmdb51_lists_are_checked(hmdb: Path) -> None:
    with pytest.raises(ValueError, match=r"HMDB51: the lists of fold 2 in root='\S*' have 1 classes, not 2"):
        HMDB51(fold=2, **options(hmdb)).listing("train")
    with pytest.raises(FileNotFoundError, match="HMDB51: the official lists of fold 3"):
        HMDB51(fold=3, **options(hmdb)).listing("train")
    (hmdb / "testTrainMulti_7030_splits" / "wave_test_split1.txt").write_text("same.avi 1 \nx.avi 3\n")
    with pytest.raises(
        ValueError, match=r"wave_test_split1\.txt, line 2: 'x.avi 3' is not `file.avi 0\|1\|2`"
    ):
        HMDB51(**options(hmdb)).listing("train")


TEMPLATES = {"Holding something": "1", "Approaching something with something": "0"}
TRAIN = [
    {"id": "7", "label": "holding pen", "template": "Holding [something]", "placeholders": ["pen"]},
    {"id": "8", "label": "x", "template": "Approaching [something] with [something]", "placeholders": []},
]


@pytest.fixture(params=["something-something-v2-", "labels/", "labels/something-something-v2-"])
def something(request: pytest.FixtureRequest, tmp_path: Path, tiny_root: Path) -> tuple[Path, str]:
    link(tmp_path, videos(tiny_root)[0], "20bn/7.webm", "9.webm")
    (tmp_path / "labels").mkdir()
    contents = {"labels": TEMPLATES, "train": TRAIN, "validation": [{**TRAIN[0], "id": 9}]}
    for name, content in contents.items():
        (tmp_path / f"{request.param}{name}.json").write_text(json.dumps(content))
    return tmp_path, request.param


def test_something_something(something: tuple[Path, str]) -> None:
    data = SomethingSomethingV2(**options(something[0]))
    assert data.class_names == ["Approaching something with something", "Holding something"]
    assert found(data, "train") == [("20bn/7.webm", 1), ("8.webm", 0)]
    assert found(data, "val") == found(data, "test") == [("9.webm", 1)]
    data.setup("fit")
    assert data.num_train_samples == 1


def test_something_something_lists_are_checked(something: tuple[Path, str]) -> None:
    root, prefix = something
    path = root / f"{prefix}train.json"
    for content, problem in (
        ("[{", r"train\.json: not a JSON file \(.*\); fetch it again"),
        (
            '[{"id": "7", "template": "Eating [x]"}]',
            r"train\.json, entry 0: expected .* \(KeyError\('Eating x'\)\)",
        ),
        ('[{"id": "7"}]', r"train\.json, entry 0: expected an `id` and a `template`"),
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=problem):
            SomethingSomethingV2(**options(root)).listing("train")
    (root / f"{prefix}labels.json").write_text('{"a": "0", "b": "2"}')
    with pytest.raises(ValueError, match=r"labels\.json: the labels are not the numbers 0 to 1, each once"):
        _ = SomethingSomethingV2(**options(root)).class_names
    (root / f"{prefix}labels.json").write_text('["a", "b"]')
    with pytest.raises(ValueError, match=r"labels\.json: expected a label by template"):
        _ = SomethingSomethingV2(**options(root)).class_names
    path.unlink()
    with pytest.raises(
        FileNotFoundError, match=r"none of something-something-v2-train\.json, train\.json, labels/"
    ):
        SomethingSomethingV2(**options(root)).listing("train")
