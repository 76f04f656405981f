"""CrossTask: the release's text files, seconds with what lies around them, steps, and what is missing."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tests._helpers.feature_layouts import DIM_2D, DIM_3D, WORDS, features, small_pipeline
from unlabelled.data.datasets import CrossTask
from unlabelled.data.datasets.crosstask_release import read_annotation, read_tasks, read_videos
from unlabelled.data.datasets.crosstask_samples import num_rows
from unlabelled.data.datasets.evaluation_sets import StepSet
from unlabelled.data.features.tokens import audio_window
from unlabelled.data.media.reader import DecodeError

TASKS = """23521
Make Onion Soup
https://www.wikihow.com/Make-Onion-Soup
3
cut the onion,stir now,zyx

59684
Stir
https://www.wikihow.com/Stir
1
stir

"""
LENGTHS = {"one": 20, "two": 6, "three": 2}


def write_features(root: Path, video: str, seconds: int, seed: int = 0, **changes: np.ndarray) -> None:
    for part, array in {**features(seconds, seed), **changes}.items():
        folder = root / ("audio" if part == "spec" else "features")
        folder.mkdir(exist_ok=True)
        np.savez(folder / f"{video}_{part}.npz", **{"arr_0" if part == "spec" else "features": array})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tasks_primary.txt").write_text(TASKS)
    rows = [("23521", "one"), ("59684", "two"), ("23521", "three"), ("99", "other")]
    rows += [("23521", "unannotated"), ("23521", "absent")]
    lines = [f"{task},{video},https://youtu.be/{video}\n" for task, video in rows]
    (tmp_path / "videos_val.csv").write_text("".join(lines))
    (tmp_path / "annotations").mkdir()
    for task, video in rows:
        if video != "unannotated":
            (tmp_path / "annotations" / f"{task}_{video}.csv").write_text("1,0.4,1.2\n")
    (tmp_path / "annotations" / "23521_one.csv").write_text("1,0.4,1.2\n3,4,5.0\n1,18.7,25\n\n")
    for seed, (video, seconds) in enumerate([*LENGTHS.items(), ("unannotated", 4)]):
        write_features(tmp_path, video, seconds, seed)
    return tmp_path


def opened(root: Path, **more: object) -> CrossTask:
    steps = CrossTask(str(root), **more)
    steps.open()
    return steps


def test_the_release_is_read(root: Path) -> None:
    tasks = read_tasks(root / "tasks_primary.txt")
    assert [task.identifier for task in tasks] == ["23521", "59684"]
    assert tasks[0].title == "Make Onion Soup"
    assert tasks[0].steps == ("cut the onion", "stir now", "zyx")
    assert read_videos(root / "videos_val.csv")[1] == ("59684", "two")
    (root / "cvpr19_test.csv").write_text("video_id,path,task\none,one.npy,23521\n")
    assert read_videos(root / "cvpr19_test.csv") == [("23521", "one")]


def test_annotations_go_from_floor_to_ceil(root: Path) -> None:
    truth = read_annotation(root / "annotations" / "23521_one.csv", 20, 3)
    expected = np.zeros((20, 3), bool)
    expected[[0, 1, 18, 19], 0] = True
    expected[4, 2] = True
    np.testing.assert_array_equal(truth, expected)


@pytest.mark.parametrize("row", ["4,0,1", "0,0,1", "1,a,2", "1,2", "1,nan,2"])
def test_a_damaged_annotation_names_file_and_line(root: Path, row: str) -> None:
    path = root / "annotations" / "23521_one.csv"
    path.write_text(f"1,0,1\n{row}\n")
    with pytest.raises(ValueError, match=r"23521_one.csv, line 2: .* is not `step,start,end`"):
        read_annotation(path, 20, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TASKS.replace("\n3\n", "\n4\n"), r"line 1: task '23521' states 4 steps, but lists 3"),
        (TASKS.replace("Stir\n", "", 1), r"line 7: expected id, title, .* in five lines, found 4"),
    ],
)
def test_damaged_tasks_name_file_and_line(root: Path, text: str, message: str) -> None:
    (root / "tasks_primary.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        opened(root)


def test_the_set_is_made_of_seconds(root: Path) -> None:
    steps = opened(root)
    assert isinstance(steps, StepSet)
    assert len(steps) == sum(LENGTHS.values())
    assert steps.task_names == ["Make Onion Soup", "Stir"]
    assert [len(each) for each in steps.steps] == [3, 1]
    data = steps.dataset(small_pipeline())
    assert len(data) == len(steps)
    found = [tuple(int(data[row][key]) for key in ("video", "second", "task")) for row in range(len(data))]
    expected = [(v, s, v % 2) for v, n in enumerate(LENGTHS.values()) for s in range(n)]
    assert found == expected
    assert steps.title(21) == data.path(21) == "two, second 1"
    assert steps.annotation(0).shape == (20, 3)
    assert steps.annotation(1)[:, 0].tolist() == [True, True, False, False, False, False]


def test_seconds_have_what_lies_four_seconds_around_them(root: Path) -> None:
    pipeline, source = small_pipeline(), features(20, 0)
    data = opened(root).dataset(pipeline)
    for second in range(20):
        start, end = max(0, second - 4), min(20, second + 4)
        sample = data[second]
        rows_3d = source["3d"][math.floor(1.5 * start) : math.ceil(1.5 * end)].astype(np.float32)[:12]
        rows_3d /= np.linalg.norm(rows_3d, axis=1, keepdims=True)
        tokens = sample["video_features"][sample["video_mask"]]
        torch.testing.assert_close(tokens[:, DIM_2D:], torch.from_numpy(rows_3d))
        first = source["2d"][start].astype(np.float32)
        torch.testing.assert_close(tokens[0, :DIM_2D], torch.from_numpy(first / np.linalg.norm(first)))
        audio = torch.from_numpy(audio_window(source["spec"], start, end).astype(np.float32))[:, :768]
        torch.testing.assert_close(sample["audio"][0][:, sample["audio_mask"]], audio)
        assert int(sample["label"]) == -1


def test_steps_are_texts_alone(root: Path) -> None:
    steps = opened(root)
    data = steps.step_dataset(small_pipeline())
    assert [data.path(row) for row in range(len(data))] == ["cut the onion", "stir now", "zyx", "stir"]
    assert {"text", "text_mask", "counts"} <= data[0].keys()
    assert not {"video_features", "audio"} & data[0].keys()
    known = [
        [WORDS.index(word) + 1 for word in text.split() if word in WORDS] for text in map(data.path, range(4))
    ]
    assert [data[row]["text"][data[row]["text_mask"], 0].tolist() for row in range(4)] == known


def test_what_is_missing_is_counted_and_named(root: Path) -> None:
    summary = opened(root).summary()
    for part in (
        "3 videos of 2 tasks, 28 s",
        "of other tasks 1 (other)",
        "without annotation 1 (unannotated)",
        "without 2D features 1 (absent)",
    ):
        assert part in summary
    for video in LENGTHS:
        (root / "features" / f"{video}_2d.npz").unlink()
    with pytest.raises(ValueError, match=r"no video is usable: .*without 2D features 4"):
        opened(root)
    (root / "videos_val.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"no .*videos_val.csv; unpack crosstask_release.zip"):
        opened(root)


def test_damaged_features_are_named_and_replaced(root: Path) -> None:
    data, fresh = (opened(root).dataset(small_pipeline()) for _ in range(2))
    (root / "features" / "one_3d.npz").unlink()
    write_features(root, "two", 6, spec=np.full((40, 600), np.nan, np.float32))
    with pytest.raises(DecodeError, match=r"one_3d.npz: no such file"):
        data.read(0, np.random.default_rng(0))
    with pytest.raises(DecodeError, match=r"two_spec.npz\[arr_0\]: expected finite numbers"):
        data.read(21, np.random.default_rng(0))
    write_features(root, "three", 2, **{"2d": np.zeros((2, DIM_2D + 1), np.float32)})
    with pytest.raises(DecodeError, match=r"three_2d.npz\[features\]: expected an array \(n, 3\), found"):
        data.read(26, np.random.default_rng(0))
    write_features(root, "three", 2, **{"3d": np.zeros((3, DIM_3D), np.float32)})
    write_features(root, "two", 6, 1)
    sample = fresh[0]
    assert int(sample["replaced"]) == 0
    assert int(sample["video"]) in (1, 2)


def test_lengths_come_from_headers_alone(tmp_path: Path) -> None:
    array = np.zeros((7, 3), np.float16)
    np.savez(tmp_path / "a.npz", features=array)
    np.savez_compressed(tmp_path / "b.npz", features=array)
    np.save(tmp_path / "c.npy", array)
    for name in ("a.npz", "b.npz", "c.npy"):
        assert num_rows([f"{tmp_path}/x.npz", f"{tmp_path}/{name}"], "features") == 7
    (tmp_path / "d.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:60])
    (tmp_path / "e.npy").write_bytes(b"nothing")
    assert [num_rows([f"{tmp_path}/{name}"], "features") for name in ("d.npz", "e.npy", "x.npz")] == [0, 0, 0]
    assert num_rows([f"{tmp_path}/a.npz"], "other") == 0


def test_the_radius_is_checked() -> None:
    with pytest.raises(ValueError, match="radius 0"):
        CrossTask("nowhere", radius=0)


def test_a_video_without_audio_is_silent_and_one_without_3d_features_is_refused(root: Path) -> None:
    (root / "audio" / "two_spec.npz").unlink()
    seconds = opened(root).dataset(small_pipeline())
    sample = seconds[LENGTHS["one"]]  # the first second of the second video
    assert int(sample["video"]) == 1
    assert int(sample["replaced"]) == -1
    assert not sample["audio_mask"].any()
    assert sample["video_mask"].any()
    (root / "features" / "two_3d.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 videos .* have no rows_3d, for example 'two'"):
        opened(root).dataset(small_pipeline())
