"""Pipeline of one frame of each part of a video: which frames, and which pixels of them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from unlabelled.data.media.reader import MediaInfo
from unlabelled.pipelines import SegmentedClips
from unlabelled.pipelines.segmented_clips import segment_frames
from unlabelled.seeding import numpy_generator


class Numbered:
    """Reader of a video at 12 frames per second, in which red is the frame and green the column."""

    def __init__(self) -> None:
        self.short_sides: list[int | None] = []

    def info(self, path: str) -> MediaInfo:
        return MediaInfo(4.0, True, False, fps=12.0)

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> np.ndarray:
        assert short_side is not None
        self.short_sides.append(short_side)
        pixels = np.zeros((num_frames, short_side, short_side + 10, 3), np.uint8)
        times = start + np.linspace(0, duration - 1 / 12, num_frames)
        pixels[..., 0] = np.round(times * 12).astype(np.uint8)[:, None, None]
        pixels[..., 1] = np.arange(short_side + 10)
        return pixels


def red(pipeline: SegmentedClips, seed: int, train: bool) -> list[int]:
    video = pipeline.load(Numbered(), "x.webm", 4.0, numpy_generator(seed), train)["video"]
    values: list[int] = video[0, :, 0, 0].tolist()
    return values


SMALL = SegmentedClips(4, crop=16, train_short_side=(16, 32), eval_short_side=24, eval_crop=24)


def test_evaluation_takes_the_middle_frame_of_each_part_of_the_whole_video() -> None:
    # 48 frames, parts of 11.75: bounds 0, 12, 24 (23.5, to even), 35, 47
    assert red(SMALL, 0, train=False) == [6, 18, 29, 41]


def test_training_draws_from_all_frames_of_each_part() -> None:
    drawn = np.array([red(SMALL, seed, train=True) for seed in range(400)])
    for part, (first, last) in enumerate([(0, 12), (12, 24), (24, 35), (35, 47)]):
        assert set(drawn[:, part]) == set(range(first, last + 1))


def test_the_frames_of_the_published_code() -> None:
    def published(count: int, segments: int) -> list[int]:  # get_seq_frames, mode "test"
        size = float(count - 1) / segments
        return [(int(np.round(size * i)) + int(np.round(size * (i + 1)))) // 2 for i in range(segments)]

    for count in (1, 3, 8, 9, 29, 48, 117):
        assert segment_frames(count, 8, None) == published(count, 8)


def test_a_video_of_one_frame_repeats_it() -> None:
    assert segment_frames(1, 4, numpy_generator(0)) == [0, 0, 0, 0]


def test_the_inverse_of_the_short_side_is_uniform() -> None:
    reader = Numbered()
    for seed in range(500):
        SMALL.load(reader, "x.webm", 4.0, numpy_generator(seed), True)
    assert np.median(np.array(reader.short_sides)) == pytest.approx(2 / (1 / 16 + 1 / 32), abs=1)


def test_the_crop_of_evaluation_is_central() -> None:
    video = SMALL.load(Numbered(), "x.webm", 4.0, numpy_generator(0), False)["video"]
    assert video.shape == (3, 4, 24, 24)
    assert video[1, 0, 0].tolist() == list(range(5, 29))


def test_training_flips_only_where_it_is_set() -> None:
    def rising(flip: float, seed: int) -> bool:
        pipeline = SegmentedClips(4, 16, (16, 32), flip, 24, 24)
        row = pipeline.load(Numbered(), "x.webm", 4.0, numpy_generator(seed), True)["video"][1, 0, 0]
        return bool(row[0] < row[-1])

    assert Counter(rising(0.0, seed) for seed in range(20)) == {True: 20}
    assert set(Counter(rising(0.5, seed) for seed in range(20))) == {True, False}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_frames": 0}, "SegmentedClips: num_frames=0"),
        ({"crop": 300}, "train_short_side=256 must be at least 300"),
        ({"eval_crop": 300}, "eval_short_side=256 must be at least 300"),
        ({"train_short_side": (9, 8)}, "train_short_side"),
        ({"flip": 2.0}, "flip=2.0 is a probability"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SegmentedClips(**options)
