"""ESC-50 and DCASE2014, each in a tiny copy of its layout, with files missing and damaged."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules import DCASE2014, ESC50
from datamodules.dcase2014 import SCENES
from tests._helpers.audio_files import RATE, dcase2014, esc50, write_tone
from tests._helpers.data_layouts import pretend_rank, rows
from tests._helpers.media_files import empty, web_page
from unlabelled.contracts import CrossValidated, Labelled, LabelledBank, ReadsClips
from unlabelled.pipelines import AudioPipeline
from unlabelled.transforms import LogMel

MEL = LogMel(sample_rate=RATE, num_filters=8, num_frames=20)


def options(root: Path, **pipeline: Any) -> dict[str, Any]:
    return {
        "root": str(root),
        "pipeline": AudioPipeline(MEL, **pipeline),
        "num_workers": 0,
        "index_workers": 0,
    }


@pytest.fixture
def esc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ESC50, "num_classes", 2)
    return esc50(tmp_path, classes=2)


def test_a_fold_of_esc50_is_held_out(esc: Path) -> None:
    data = ESC50(fold=2, **options(esc))
    assert isinstance(data, Labelled)
    assert isinstance(data, LabelledBank)
    assert isinstance(data, ReadsClips)
    assert isinstance(data, CrossValidated)
    assert data.class_names == ["class 0", "class 1"]
    data.setup("fit")
    assert {Path(path).name[0] for path in data.clip_paths("train")} == set("1345")
    assert [Path(path).name for path in data.clip_paths("val")] == ["2-2000-A-0.wav", "2-2010-A-1.wav"]
    assert data.folds("val") is None
    (batch,) = data.val_dataloader()
    assert batch["label"].tolist() == [0, 1]
    assert batch["audio"].shape == (2, 1, 8, 20)
    assert len(data.listing("train")) == 8
    data.setup("test")
    assert data.clip_paths("test") == data.clip_paths("val")
    (bank,) = data.bank_dataloader()
    assert bank["label"].tolist() == [0, 1] * 4


def test_all_folds_of_esc50_are_to_be_judged(esc: Path) -> None:
    data = ESC50(fold=None, **options(esc))
    data.setup("test")
    assert data.folds("test") == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    with pytest.raises(ValueError, match=r"none to train on .* set --data.init_args.fold to the fold"):
        data.setup("fit")
    with pytest.raises(ValueError, match="none to train on"):
        data.bank_dataloader()


def test_damaged_recordings_are_counted_and_named(esc: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.remove(esc / "audio" / "1-1000-A-0.wav")
    empty(esc / "audio" / "1-1010-A-1.wav")
    web_page(esc / "audio" / "2-2000-A-0.wav")
    os.truncate(esc / "audio" / "3-3000-A-0.wav", 1000)
    os.renames(esc / "audio" / "4-4000-A-0.wav", esc / "elsewhere" / "4-4000-A-0.wav")
    data = ESC50(fold=None, **options(esc))
    with caplog.at_level("INFO"):
        data.setup("test")
    assert "test: 6 of 10 clips usable; left out 4:" in caplog.text
    for words in (
        "missing 1 (audio/1-1000-A-0.wav)",
        "empty file 1 (audio/1-1010-A-1.wav)",
        "not a media file 1 (audio/2-2000-A-0.wav)",
        "too short 1 (audio/3-3000-A-0.wav)",
    ):
        assert words in caplog.text
    assert data.folds("test") == [2, 3, 4, 4, 5, 5]
    assert rows(data.test_dataloader()) == list(range(6))


def test_the_list_of_esc50_is_checked(esc: Path) -> None:
    path = esc / "meta" / "esc50.csv"
    text = path.read_text()
    for old, new, problem in (
        ("filename,", "file,", r"esc50\.csv, row 2: expected the columns filename,fold,target,category"),
        (",1,0,", ",one,0,", r"row 2: expected .* whole numbers for fold and target"),
        (",5,1,", ",6,1,", r"row 11: fold 6 is not one of 1 to 5"),
        ("class 1", "class 0", ""),
        (",3,1,class 1", ",3,1,class 2", r"one category for each target from 0 to 1, but .* second category"),
        (",1,class 1", ",2,class 1", r"but there are 2 targets"),
    ):
        path.write_text(text.replace(old, new))
        if problem:
            with pytest.raises(ValueError, match=problem):
                ESC50(**options(esc)).listing("test")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"ESC50: none of meta/esc50\.csv, esc50\.csv is in root"):
        ESC50(**options(esc)).listing("test")


def test_dcase2014(tmp_path: Path) -> None:
    data = DCASE2014(**options(dcase2014(tmp_path, per_scene=1), eval_clips=60))
    assert data.class_names == SCENES
    with pytest.warns(UserWarning, match=r"expected 10 recordings of each scene, found bus 1, busy"):
        data.setup("test")
    assert data.clip_paths("test")[0] == f"{tmp_path}/scenes_stereo_testset/bus01.wav"
    assert not isinstance(data, CrossValidated)
    batch = next(iter(data.test_dataloader()))
    assert batch["audio"].shape == (10, 60, 1, 8, 20)
    assert batch["label"].tolist() == list(range(10))
    (bank,) = data.bank_dataloader()
    assert bank["label"].tolist() == list(range(10))
    assert not torch.equal(bank["audio"], batch["audio"])  # the same names, other recordings


def test_the_recordings_of_dcase2014_by_folder_and_by_name(tmp_path: Path) -> None:
    for name in (
        "dev/scenes_stereo/scenes_stereo/tube10.wav",  # unpacked into a folder of the archive's name
        "dev/scenes_stereo/noise1.wav",
        "eval/audio/test_tubestation03.wav",  # as dcase_util renames them
        "scenes_stereo_testset/tube01.wav",
        "other/bus01.wav",
    ):
        write_tone(tmp_path / name, 440)
    data = DCASE2014(**options(tmp_path))
    with pytest.warns(UserWarning, match=r"left out: files not named after a scene 1 .dev/scenes_stereo/no"):
        found = {
            split: [(e.path, e.label) for e in data.listing(split)] for split in ("train", "val", "test")
        }
    assert found["train"] == [("dev/scenes_stereo/scenes_stereo/tube10.wav", 8)]
    test = [("eval/audio/test_tubestation03.wav", 9), ("scenes_stereo_testset/tube01.wav", 8)]
    assert found["val"] == found["test"] == test


def test_a_split_of_dcase2014_that_is_not_there(tmp_path: Path) -> None:
    write_tone(tmp_path / "scenes_stereo" / "bus01.wav", 440)
    with pytest.raises(
        FileNotFoundError,
        match=r"no audio file in a folder scenes_stereo_testset; unpack scenes_stereo_testset\.zip",
    ):
        DCASE2014(**options(tmp_path)).listing("test")


def test_complete_scenes_need_no_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(DCASE2014, "num_recordings", 1)
    data = DCASE2014(**options(dcase2014(tmp_path, per_scene=1)))
    assert len(data.listing("train")) == 10
    assert not recwarn.list


def test_ranks_share_the_recordings(esc: Path) -> None:
    shares = []
    for rank in range(3):
        data = ESC50(fold=None, **options(esc))
        pretend_rank(data, rank, 3)
        data.setup("test")
        shares.append(rows(data.test_dataloader()))
    assert shares == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]
