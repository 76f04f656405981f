"""MiningYouTube: its files, seconds and steps, its recall, and what is missing or damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests._helpers.feature_layouts import features, small_pipeline
from unlabelled.data.datasets import MiningYouTube
from unlabelled.data.datasets.evaluation_sets import StepSet

STEPS = {"one": ["cut the onion", "stir now"], "two": ["stir"], "bare": ["cut"], "absent": ["cut"]}
SECONDS = {"one": 9, "two": 4, "bare": 5, "lost": 3}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("features", "audio", "annotations"):
        (tmp_path / folder).mkdir()
    names = ["two", "one", "bare", "absent", "lost", "two"]
    (tmp_path / "videos.csv").write_text("video_id,path\n" + "".join(f"{name},x\n" for name in names))
    (tmp_path / "steps.json").write_text(json.dumps(STEPS))
    for seed, (video, seconds) in enumerate(SECONDS.items()):
        parts = features(seconds, seed)
        for part in ("2d", "3d"):
            np.save(tmp_path / "features" / f"{video}_{part}.npy", parts[part])
        np.savez(tmp_path / "audio" / f"{video}.npz", arr_0=parts["spec"])
    truth = np.zeros((11, 2), np.int64)  # two seconds more than there are features
    truth[1:3, 0], truth[8:11, 1] = 1, 1
    np.save(tmp_path / "annotations" / "one.npy", truth)
    np.save(tmp_path / "annotations" / "two.npy", np.ones((2, 1), np.float32))  # two seconds fewer
    return tmp_path


def opened(root: Path, **more: str) -> MiningYouTube:
    videos = MiningYouTube(str(root), **more)
    videos.open()
    return videos


def test_each_video_is_a_task_of_its_own(root: Path) -> None:
    videos = opened(root)
    assert isinstance(videos, StepSet)
    assert videos.log_softmax
    assert videos.identifiers() == ["two", "one"]
    data = videos.dataset(small_pipeline())
    assert len(videos) == len(data) == 13
    found = [tuple(int(data[row][key]) for key in ("video", "second", "task")) for row in (0, 3, 4, 12)]
    assert found == [(0, 0, 0), (0, 3, 0), (1, 0, 1), (1, 8, 1)]
    assert [videos.steps[int(data[row]["task"])] for row in (0, 12)] == [
        ("stir",),
        ("cut the onion", "stir now"),
    ]
    texts = videos.step_dataset(small_pipeline())
    assert [texts.path(row) for row in range(3)] == ["stir", "cut the onion", "stir now"]
    tokens = data[4]["video_features"][data[4]["video_mask"]]
    assert torch.isfinite(tokens).all()
    assert len(tokens) == 6  # 4 s at 1.5 rows per second


def test_annotations_have_the_seconds_of_the_features(root: Path) -> None:
    videos = opened(root)
    assert videos.annotation(0)[:, 0].tolist() == [True, True, False, False]
    expected = np.zeros((9, 2), bool)
    expected[1:3, 0] = expected[8, 1] = True
    np.testing.assert_array_equal(videos.annotation(1), expected)


def test_what_is_missing_is_counted_and_named(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING"):
        opened(root)
    for part in (
        "mining_youtube: 2 videos of 4 tasks, 13 s",
        "without steps 1 (lost)",
        "without annotation 1 (bare)",
        "without 2D features 1 (absent)",
    ):
        assert part in caplog.text
    (root / "steps.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"MiningYouTube: there is no file .*steps\.json"):
        opened(root)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("steps.json", "[1]", "expected {video"),
        ("steps.json", '{"one": []}', "video 'one': expected .* at least one step"),
        ("steps.json", '{"one"', "is no JSON file"),
        ("videos.csv", "video\none\n", "there is no column video_id, only video"),
        ("videos.csv", "video_id\n../one\n", "row 2"),
    ],
)
def test_damaged_lists_are_named(root: Path, name: str, text: str, message: str) -> None:
    (root / name).write_text(text)
    with pytest.raises(ValueError, match=rf"{name}.*{message}"):
        opened(root)


def test_a_damaged_annotation_is_named(root: Path) -> None:
    videos = opened(root)
    np.save(root / "annotations" / "one.npy", np.zeros((9, 3)))
    with pytest.raises(ValueError, match=r"one\.npy: shape \(9, 3\), expected \(seconds, 2 steps\)"):
        videos.annotation(1)
    (root / "annotations" / "two.npy").write_bytes(b"no array")
    with pytest.raises(ValueError, match=r"two\.npy is no file of an array"):
        videos.annotation(0)
