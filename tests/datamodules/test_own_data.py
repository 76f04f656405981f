"""Any folder of own videos, audio files or images."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datamodules import Images, Sounds, Videos
from tests._helpers.data_layouts import Plain, Silent, write_images
from tests._helpers.media_files import write_clip
from tests._helpers.own_files import mixed_audio, mixed_images, mixed_videos
from unlabelled.data.media.cached_reader import CachedReader
from unlabelled.data.media.index import EmptyIndexError
from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.modalities import UnfitDataError
from unlabelled.pipelines import AudioPipeline, AudioVisualPipeline
from unlabelled.transforms import LogMel

AUDIO = LogMel(sample_rate=8000, num_filters=16, num_frames=40)


def options(root: Path, **more: Any) -> dict[str, Any]:
    fast = {"num_workers": 0, "index_workers": 0, "reader": PyAVReader(), "batch_size": 2}
    return {"root": str(root), **fast, **more}


def audio_visual() -> AudioVisualPipeline:
    return AudioVisualPipeline(2, 2.0, 16, (20, 20), 20, audio=AUDIO)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixed")
    mixed_videos(folder, 8, seconds=(1.2, 0.4, 2.0))
    return folder


def predicted(data: Any) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the names and the batches of ``predict``."""
    data.setup("predict")
    return [clip.name for clip in data.predicted_clips()], list(data.predict_dataloader())


def test_mixed_videos_are_all_read(mixed: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = Videos(pipeline=audio_visual(), **options(mixed))
    with caplog.at_level("INFO"):
        names, batches = predicted(data)
    assert sorted(Path(name).name for name in names) == sorted(
        path.name for path in mixed.iterdir() if path.is_file()
    )
    assert sum(len(batch["video"]) for batch in batches) == 8
    silent = torch.cat([batch["silent"] for batch in batches])
    without_track = [Path(name).suffix == ".m4v" or Path(name).name == "Clip 06.mp4" for name in names]
    assert silent.tolist() == without_track
    assert all((batch["label"] == -1).all() and (batch["replaced"] == -1).all() for batch in batches)
    assert data.class_names == []
    for text in ("Videos: no labels", "splits: val_share 0.2 (6 train, 2 val)", "are padded"):
        assert text in caplog.text
    left_out = Videos(pipeline=audio_visual(), missing_audio="leave_out", min_seconds=None, **options(mixed))
    left_out.setup("fit")
    assert left_out.num_train_samples < 6
    assert "left out" in caplog.text or left_out.num_train_samples


def test_fit_holds_files_out_and_batches_repeat(mixed: Path) -> None:
    data = Videos(pipeline=audio_visual(), **options(mixed))
    data.setup("fit")
    assert (data.num_train_samples, len(data.val_dataloader().dataset)) == (6, 2)
    assert not set(data.clip_paths("train")) & set(data.clip_paths("val"))
    other = Videos(pipeline=audio_visual(), **options(mixed))
    other.setup("fit")
    assert other.train_fingerprint == data.train_fingerprint


def test_a_long_video_becomes_segments(tmp_path: Path) -> None:
    write_clip(tmp_path / "long.mp4", duration=5.0)
    write_clip(tmp_path / "short.mkv", duration=1.0)
    shared: dict[str, Any] = {"pipeline": Silent(1.0), "val_share": 0.0}
    data = Videos(segment_seconds=2.0, stride_seconds=1.5, **shared, **options(tmp_path))
    names, _ = predicted(data)
    assert [Path(name).name for name in names] == [
        "long.mp4 [0-2 s]",
        "long.mp4 [1.5-3.5 s]",
        "long.mp4 [3-5 s]",
        "short.mkv",
    ]
    parts = data.predicted_clips()
    assert parts[0].overlaps(parts[1])
    assert not parts[0].overlaps(parts[2])
    assert {clip.split for clip in parts} == {"train"}
    held_out = Videos(pipeline=Silent(1.0), segment_seconds=1.0, **options(tmp_path))
    held_out.setup("fit")
    assert not {Path(path).name for path in held_out.clip_paths("train")} & {
        Path(path).name for path in held_out.clip_paths("val")
    }
    cached = CachedReader(PyAVReader(), 20, 8000)
    assert Videos(pipeline=Silent(), **options(tmp_path, reader=cached)).reader is cached
    divided = Videos(pipeline=Silent(), segment_seconds=1.0, **options(tmp_path, reader=cached))
    assert divided.reader is cached.reader
    with pytest.raises(ValueError, match=r"Videos: stride_seconds=1\.0 requires segment_seconds"):
        Videos(pipeline=Silent(), stride_seconds=1.0, **options(tmp_path))


def test_spans_of_a_table_are_clips(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_clip(tmp_path / name, duration=3.0)
    rows = ["path,start,end,label,split,caption", "a.mp4,0,1,cat,train,one", "a.mp4,1,2.5,dog,train,two"]
    rows += ["b.mp4,,,cat,test,three", "b.mp4,9,,dog,test,four"]
    (tmp_path / "list.csv").write_text("\n".join(rows), encoding="utf-16")
    data = Videos(table="list.csv", pipeline=Silent(0.5), **options(tmp_path))
    predicted(data)
    found = [(Path(clip.path).name, *clip[1:6]) for clip in data.predicted_clips()]
    assert found == [
        ("a.mp4", "train", 0.0, 1.0, "cat", "one"),
        ("a.mp4", "train", 1.0, 2.5, "dog", "two"),
        ("b.mp4", "val", 0.0, pytest.approx(3.0, abs=0.05), "cat", "three"),
    ]
    assert data.class_names == ["cat", "dog"]
    index = data.find("test")
    assert index.left_out == {"b.mp4 [9- s]": "starts after the end of its file"}
    (tmp_path / "list.csv").write_text("\n".join([*rows[:2], "a.mp4,1,2,dog,test,"]))
    both = Videos(table="list.csv", pipeline=Silent(0.5), **options(tmp_path))
    with pytest.raises(ValueError, match=r"train and val and test: files in both: 1 \(a\.mp4\); leave each"):
        both.setup("fit")


def test_splits_of_predict(mixed: Path) -> None:
    counts = {}
    for split in ("all", "train", "val", "test"):
        data = Videos(pipeline=Silent(0.3), predict_split=split, test_share=0.25, **options(mixed))
        names, batches = predicted(data)
        counts[split] = len(names)
        rows = torch.cat([batch["index"] for batch in batches]).tolist()
        assert len(names) == sum(len(batch["label"]) for batch in batches)
        if split != "all":
            assert sorted(rows) == list(range(len(names)))
    assert counts == {"all": 8, "train": 4, "val": 2, "test": 2}
    with pytest.raises(ValueError, match="predict_split='bank' is not train, val, test or all"):
        Videos(pipeline=Silent(), predict_split="bank", **options(mixed))


def test_audio_files_and_the_tracks_of_videos(tmp_path: Path) -> None:
    names = mixed_audio(tmp_path, 6, seconds=(1.2, 0.3))
    write_clip(tmp_path / "with audio.mp4", duration=1.0)
    write_clip(tmp_path / "mute.mp4", duration=1.0, layout=None)
    alone = Sounds(pipeline=AudioPipeline(audio=AUDIO), **options(tmp_path))
    with pytest.raises(
        EmptyIndexError, match=r"no audio stream 1 \(mute.mp4\).*; other files are held out with"
    ):
        alone.setup("fit")
    data = Sounds(pipeline=AudioPipeline(audio=AUDIO), val_share=0.4, **options(tmp_path))
    found, batches = predicted(data)
    assert sorted(Path(name).name for name in found) == sorted([*names, "with audio.mp4"])
    assert all(batch["audio"].isfinite().all() for batch in batches)
    assert data.find("train").left_out | data.find("val").left_out == {"mute.mp4": "no audio stream"}


def test_images_of_all_kinds(tmp_path: Path) -> None:
    names = mixed_images(tmp_path, 12)
    data = Images(str(tmp_path), pipeline=Plain(), num_workers=0)
    found, batches = predicted(data)
    assert sorted(Path(name).name for name in found) == names
    assert sum(int((batch["replaced"] == -1).sum()) for batch in batches) == 12
    (tmp_path / "list.tsv").write_text(
        f"path\tlabel\n{names[0]}\tb\n{names[1]}\ta\nno.png\ta\n{names[2]}\t\n"
    )
    listed = Images(str(tmp_path), table="list.tsv", val_share=0.25, pipeline=Plain(), num_workers=0)
    listed.setup("fit")
    assert listed.class_names == ["a", "b"]
    labels = torch.cat([listed.source(split).labels for split in ("train", "val")]).tolist()
    assert sorted(labels) == [-1, 0, 1]


def test_data_without_a_modality_name_what_they_hold(tmp_path: Path) -> None:
    for number in range(4):
        write_clip(tmp_path / f"{number}.mp4", duration=0.6 + number / 10, layout=None)
    data = Videos(pipeline=audio_visual(), **options(tmp_path))
    with pytest.raises(
        UnfitDataError, match=r"Videos: none of the 3 usable training files .* audio track"
    ) as error:
        data.setup("fit")
    assert error.value.holds == {"video"}
    audio = Sounds(pipeline=AudioPipeline(audio=AUDIO), **options(tmp_path))
    with pytest.raises(EmptyIndexError, match="no audio stream 3") as empty:
        audio.setup("fit")
    assert empty.value.holds == {"video"}
    write_images(tmp_path / "images", "a.png", "b.png")
    with pytest.raises(
        ValueError,
        match=r"Videos: root='\S*images' has no file that ends in .*other kinds: 2 .*; "
        r"configs/data/images\.yaml reads its 2 images$",
    ):
        Videos(pipeline=Silent(), **options(tmp_path / "images")).setup("fit")


def test_one_file_is_not_divided(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", duration=2.0)
    with pytest.raises(ValueError, match=r"Videos: .*1 different file\(s\), too few for train, val"):
        Videos(pipeline=Silent(), **options(tmp_path)).setup("fit")
    data = Videos(pipeline=Silent(), val_share=0, segment_seconds=1, **options(tmp_path))
    with pytest.warns(UserWarning, match="no file is held out; val and test are the training files"):
        data.setup("fit")
    assert data.clip_paths("val") == data.clip_paths("train")
    assert len(predicted(data)[0]) == 2


def test_the_run_draws_the_same_views_again(mixed: Path) -> None:
    batches: list[Any] = []
    for _ in range(2):
        random.seed(len(batches))
        np.random.default_rng()
        data = Videos(pipeline=audio_visual(), **options(mixed))
        data.setup("fit")
        batches.append(next(iter(data.train_dataloader())))
    assert torch.equal(batches[0]["video"], batches[1]["video"])
    assert torch.equal(batches[0]["index"], batches[1]["index"])
