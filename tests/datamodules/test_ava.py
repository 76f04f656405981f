"""Key frames in the layout of AVA: lists, movies as files and as frames, boxes that follow the pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from datamodules import AVA
from tests._helpers.ava_layout import ava
from tests._helpers.media_files import read_numbers, write_clip
from unlabelled.data.datasets.movie_files import _begin
from unlabelled.data.media.frame_folders import FrameFolders
from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import DecodeError, MediaInfo
from unlabelled.pipelines import KeyFrameClips
from unlabelled.seeding import numpy_generator

TINY = KeyFrameClips(num_frames=4, crop=32, train_short_side=(40, 48), eval_short_side=48)
DETECTED = {"train_detections": "detected_train.csv", "test_detections": "detected_val.csv"}


def module(root: Path, **options: str) -> AVA:
    return AVA(str(root), TINY, num_actions=3, batch_size=2, num_workers=0, index_workers=0, **options)


@pytest.fixture(scope="module", params=["files", "frames"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ava(tmp_path_factory.mktemp("ava"), frames=request.param == "frames")


def test_boxes_actions_and_frames_of_both_splits(root: Path) -> None:
    data = module(root, **DETECTED)
    data.setup("fit")
    assert data.class_names == ["bend", "action 2", "walk"]
    train = data.dataset("train", train=False)
    assert [tuple(frame) for frame in train.index.frames] == [("abc_123", 902), ("abc_123", 903)]
    assert train.index.proposals.actions.tolist() == [
        [True, False, True],
        [False, True, False],
        [False, True, False],  # a detection of the same person, in a box of its own
        [False, False, False],
    ]
    (batch,) = data.val_dataloader()  # the excluded key frame is left out, action 2 is not evaluated
    assert [len(each["boxes"]) for each in batch["target"]] == [1, 1]
    assert [each["truth_actions"].tolist() for each in batch["target"]] == [
        [[True, False, False]],
        [[False, False, True]],
    ]
    assert batch["target"][0]["boxes"][0].tolist() == pytest.approx([0.12 * 64, 0.2 * 48, 0.4 * 64, 0.9 * 48])
    numbers = read_numbers(batch["video"][0].permute(1, 2, 3, 0).numpy())
    assert numbers == [60 - 32, 60 - 16, 60, 60 + 16]  # 64 frames around frame 60, every 16th
    assert batch["video"][0].shape == (3, 4, 48, 64)
    finished = data.on_after_batch_transfer(batch, 0)
    assert finished["video"][0].dtype == torch.float32
    assert "2 key frames of 1 movies, 2 boxes" in data.find("val").summary()


def test_without_detections_the_annotated_boxes_are_taken(root: Path) -> None:
    index = module(root).find("val")
    assert index.proposals.boxes.tolist() == index.truth.boxes.tolist()
    assert len(module(root).find("train").proposals.boxes) == 2


class Painted(FrameFolders):
    """Frames with one bright rectangle."""

    def info(self, path: str) -> MediaInfo:
        return MediaInfo(5.0, has_video=True, has_audio=False, fps=30.0)

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> NDArray[np.uint8]:
        assert short_side is not None
        frames = np.zeros((num_frames, short_side, 2 * short_side, 3), np.uint8)
        top, bottom = round(0.25 * short_side), round(0.75 * short_side)
        frames[:, top:bottom, round(0.6 * short_side) : round(1.4 * short_side)] = 255
        return frames


def test_boxes_follow_the_pixels_when_a_clip_is_scaled_cropped_and_flipped() -> None:
    pipeline = KeyFrameClips(num_frames=2, crop=36, train_short_side=(40, 48), eval_short_side=48)
    shares = torch.tensor([[0.3, 0.25, 0.7, 0.75]], dtype=torch.float64)
    for seed in range(8):
        video, boxes = pipeline.load(Painted(), "", 2.0, shares, numpy_generator(seed), True)
        rows, columns = (video[0, 0] > 0).nonzero(as_tuple=True)
        assert video.shape == (3, 2, 36, 36)
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert boxes[0].tolist() == pytest.approx([float(each) for each in expected], abs=1.0)


def test_whole_movies_begin_at_second_0() -> None:
    assert (_begin(None, 901.0), _begin(None, 5400.0), _begin(5.0, 5400.0)) == (900.0, 0.0, 5.0)


def test_missing_movies_and_late_key_frames_are_named(tmp_path: Path) -> None:
    root = ava(tmp_path)
    with (root / "annotations" / "ava_train_v2.2.csv").open("a") as file:
        file.write("other,0902,0.1,0.2,0.4,0.9,1,0\nabc_123,1500,0.1,0.2,0.4,0.9,1,0\n")
    summary = module(root).find("train").summary()
    assert "movies left out, missing: 1 (other.mp4)" in summary
    assert "key frames without a movie, left out: 2 (abc_123 [1500 s], other [902 s])" in summary
    (root / "abc_123.mp4").unlink()
    with pytest.raises(ValueError, match="none of 4 key frames has a usable movie"):
        module(root).find("train")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("abc_123,0902,12,20,40,90,1,0", "row 4: .* shares of width and height"),
        ("abc_123,0902,0.1,0.2,0.4,0.9,4,0", "row 4: action 4 is not from 1 to 3"),
        ("abc_123,0902,0.1,0.2,0.4", "row 4: .* is not `movie,second"),
        ("../abc,0902,0.1,0.2,0.4,0.9,1,0", "leads out of the root"),
    ],
)
def test_wrong_rows_are_one_line(row: str, message: str, tmp_path: Path) -> None:
    root = ava(tmp_path, frames=True)
    with (root / "annotations" / "ava_train_v2.2.csv").open("a") as file:
        file.write(f"{row}\n")
    with pytest.raises(ValueError, match=message):
        module(root).find("train")


def test_a_folder_without_frames_is_named(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="no such folder of frames"):
        FrameFolders().info(str(tmp_path / "absent"))


def test_times_before_the_first_frame_are_those_of_the_first(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "abc_123.mp4", duration=1.0, fps=30, size=(64, 48), layout=None)
    frames = PyAVReader().frames(path, -0.5, 1.0, 3)
    assert read_numbers(frames)[:2] == [0, 0]
