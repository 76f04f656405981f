"""Pipelines of clips: the seconds that they read, their tensors, and how batches are finished."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import MediaInfo, choose_frames
from unlabelled.pipelines import AugmentedClip, ContrastiveClips, LabelledClips
from unlabelled.pipelines.spans import read_difference
from unlabelled.seeding import numpy_generator
from unlabelled.transforms import Augmentation, RandomResizedCrop, StrongAlpha, StrongBeta, Weak
from unlabelled.transforms.difference import rgb_difference

PLAIN = Augmentation(jitter=0.0, flip=0.0)


class Recorder:
    """Reader that records what is read, and returns the requested size with numbered columns."""

    def __init__(self, size: tuple[int, int] = (32, 24)) -> None:
        self.size = size
        self.asked: list[tuple[float, float, int, int | None]] = []

    def info(self, path: str) -> MediaInfo:
        return MediaInfo(10.0, True, False, fps=25.0)

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> np.ndarray:
        self.asked.append((start, duration, num_frames, short_side))
        width, height = self.size
        columns = np.arange(width) if width >= height else np.arange(height)[:, None]
        return np.broadcast_to((columns % 256).astype(np.uint8)[..., None], (num_frames, height, width, 3))


def contrastive(difference: float = 0.0, **options: Any) -> ContrastiveClips:
    crop = RandomResizedCrop(16, (0.2, 0.766))
    views = [
        AugmentedClip(crop, StrongAlpha(1.0), difference),
        AugmentedClip(crop, StrongBeta(1.0), difference),
    ]
    sizes = {"train_short_side": (20, 24), "eval_short_side": 20, "eval_crop": 16, "num_frames": 4}
    return ContrastiveClips(views, **{**sizes, **options})


def spans_of(
    pipeline: ContrastiveClips | LabelledClips, duration: float, train: bool, count: int = 1
) -> np.ndarray:
    reader = Recorder()
    for row in range(count):
        pipeline.load(reader, "x.mp4", duration, numpy_generator(row), train)
    return np.array([asked[:2] for asked in reader.asked])


@pytest.fixture(scope="module")
def video(tiny_root: Path) -> str:
    return str(sorted(tiny_root.rglob("*.mp4"))[0])


def test_each_view_draws_its_own_seconds() -> None:
    starts, lengths = spans_of(contrastive(duration=2.56), 10.0, train=True, count=200).T
    assert (lengths == 2.56).all()
    assert starts.min() >= 0
    assert starts.max() <= 10 - 2.56
    assert np.quantile(starts, [0.1, 0.5, 0.9]) == pytest.approx([0.744, 3.72, 6.696], abs=0.8)
    first, second = starts.reshape(-1, 2).T
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.25


def test_both_views_of_the_same_seconds() -> None:
    spans = spans_of(contrastive(same_clip=True, duration_jitter=0.2), 10.0, train=True, count=20)
    assert (spans[0::2] == spans[1::2]).all()
    assert len(np.unique(spans[:, 0])) == 20


def test_jitter_of_the_duration() -> None:
    lengths = spans_of(contrastive(duration=2.0, duration_jitter=0.2), 10.0, train=True, count=100)[:, 1]
    assert 1.6 <= lengths.min() < 1.65
    assert 2.35 < lengths.max() <= 2.4


def test_a_short_video_is_a_clip_as_a_whole() -> None:
    assert spans_of(contrastive(), 1.5, train=True).tolist() == [[0, 1.5]] * 2
    assert spans_of(contrastive(eval_clips=10), 1.5, train=False).tolist() == [[0, 1.5]] * 10
    assert contrastive().seconds == 0  # none is refused


def test_ten_clips_and_three_crops() -> None:
    pipeline = LabelledClips(4, 2.56, eval_short_side=256, eval_crop=256, eval_clips=10, eval_crops=3)
    reader = Recorder((341, 256))
    views = pipeline.load(reader, "x.mp4", 10.0, numpy_generator(0), False)["video"]
    assert views.shape == (30, 3, 4, 256, 256)
    starts = [asked[0] for asked in reader.asked]
    assert starts == pytest.approx([0.826667 * j for j in range(10)], abs=1e-5)
    assert views[:, 0, 0, 0, 0].tolist() == [0, 43, 85] * 10  # clip by clip


def test_an_upright_video_is_cropped_along_its_height() -> None:
    pipeline = contrastive(eval_short_side=256, eval_crop=224, eval_crops=3)
    views = pipeline.load(Recorder((256, 341)), "x.mp4", 10.0, numpy_generator(0), False)["video"]
    assert views.shape == (3, 3, 4, 224, 224)
    assert views[:, 0, 0, 0, 0].tolist() == [0, 59, 117]


def test_a_single_evaluation_crop_is_the_middle() -> None:
    reader = Recorder((341, 256))
    pipeline = contrastive(eval_short_side=256, eval_crop=224)
    sample = pipeline.load(reader, "x.mp4", 10.0, numpy_generator(0), False)
    assert sample.keys() == {"video"}
    assert sample["video"].shape == (3, 4, 224, 224)
    assert reader.asked == [(pytest.approx(3.72), 2.56, 4, 256)]
    assert sample["video"][0, 0, 0, 0] == 59


def test_short_sides_are_drawn_per_view_or_left_alone() -> None:
    reader = Recorder()
    for row in range(40):
        contrastive(train_short_side=(20, 24)).load(reader, "x.mp4", 10.0, numpy_generator(row), True)
    assert {asked[3] for asked in reader.asked} == {20, 21, 22, 23, 24}
    reader = Recorder()
    contrastive(train_short_side=None).load(reader, "x.mp4", 10.0, numpy_generator(0), True)
    assert [asked[3] for asked in reader.asked] == [None, None]


def test_the_difference_is_drawn_per_view() -> None:
    reader = Recorder()
    for row in range(200):
        contrastive(0.2).load(reader, "x.mp4", 10.0, numpy_generator(row), True)
    native = np.array([asked[2] == 64 for asked in reader.asked]).reshape(-1, 2)  # 2.56 s of 25 frames
    assert native.mean(0) == pytest.approx([0.2, 0.2], abs=0.1)
    assert (native.sum(1) == 1).mean() == pytest.approx(0.32, abs=0.1)


@pytest.mark.parametrize("start", [0.0, 0.2, 0.317])
def test_the_difference_is_between_native_frames(video: str, start: float) -> None:
    reader = PyAVReader()
    times, pixels = reader.all_frames(video, 32)
    fps = reader.info(video).fps
    count = round(1.0 * fps)
    shown = choose_frames(times, start + np.arange(count) / fps)
    assert (np.diff(shown) == 1).all()
    frames = torch.from_numpy(pixels[shown]).permute(0, 3, 1, 2)
    kept = np.linspace(0, count - 1, 5).astype(int)
    result = read_difference(reader, video, start, 1.0, 5, 32)
    assert torch.equal(result, rgb_difference(frames, kept))
    assert (result != 128).any()


def test_reversed_clips_play_backwards(video: str) -> None:
    views = [AugmentedClip(RandomResizedCrop(16, (1.0, 1.0), (4 / 3, 4 / 3)), PLAIN)] * 2
    forwards, backwards = (
        ContrastiveClips(views, 4, 1.0, reverse=chance, train_short_side=None) for chance in (0.0, 1.0)
    )
    first, second = (
        pipeline.load(PyAVReader(), video, 1.5, numpy_generator(0), True)["views"][0]
        for pipeline in (forwards, backwards)
    )
    assert torch.equal(first.flip(1), second)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("difference", [0.0, 1.0])
def test_contrastive_clips_of_a_file(video: str, difference: float) -> None:
    pipeline = contrastive(difference, duration=1.0)
    samples = [pipeline.load(PyAVReader(), video, 1.5, numpy_generator(row), True) for row in range(3)]
    assert all(clip.is_contiguous() for sample in samples for clip in sample["views"])
    raw = default_collate(samples)
    assert [(each.dtype, tuple(each.shape)) for each in raw["views"]] == [
        (torch.uint8, (3, 3, 4, 16, 16))
    ] * 2
    finished = pipeline.finish(raw)
    assert finished.keys() == {"views"}
    for place, clips in enumerate(finished["views"]):
        augmentation = pipeline.views[place].augmentation
        expected = augmentation.apply(raw["views"][place].float() / 255, raw["augmentations"][place])
        torch.testing.assert_close(clips, (expected - 0.45) / 0.225, atol=1e-5, rtol=0)
        assert clips.is_contiguous()
    early = contrastive(difference, duration=1.0, augment="workers")
    done = default_collate(
        [early.load(PyAVReader(), video, 1.5, numpy_generator(row), True) for row in range(3)]
    )
    torch.testing.assert_close(early.finish(done), finished, atol=1e-5, rtol=0)


def test_several_crops_are_finished_by_channel() -> None:
    pipeline = contrastive(mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0))
    raw = torch.randint(0, 256, (2, 6, 3, 4, 5, 5)).byte()
    result = pipeline.finish({"video": raw})["video"]
    for channel, (mean, std) in enumerate([(0.1, 1.0), (0.2, 2.0), (0.3, 3.0)]):
        expected = (raw[:, :, channel].float() / 255 - mean) / std
        torch.testing.assert_close(result[:, :, channel], expected, atol=1e-6, rtol=0)


def test_labelled_clips_with_and_without_augmentation(video: str) -> None:
    options: dict[str, Any] = {"num_frames": 4, "duration": 1.0, "crop": 16, "train_short_side": (20, 24)}
    bare = LabelledClips(**options)
    coloured = LabelledClips(**options, augmentation=Augmentation(1.0, 0.4, 0.4, 0.4, 0.1, flip=0.0))
    plain, rich = (
        default_collate(
            [pipeline.load(PyAVReader(), video, 1.5, numpy_generator(row), True) for row in range(3)]
        )
        for pipeline in (bare, coloured)
    )
    assert plain.keys() == {"video"}
    assert torch.equal(plain["video"], rich["video"])
    assert plain["video"].shape == (3, 3, 4, 16, 16)
    expected = (plain["video"].float() / 255 - 0.45) / 0.225
    torch.testing.assert_close(bare.finish(plain)["video"], expected, atol=1e-5, rtol=0)
    finished = coloured.finish(rich)
    assert finished.keys() == {"video"}
    changed = coloured.augmentation.apply(plain["video"].float() / 255, rich["augmentations"][0])
    torch.testing.assert_close(finished["video"], (changed - 0.45) / 0.225, atol=1e-5, rtol=0)
    assert not torch.equal(finished["video"], expected)


def test_labelled_clips_flip_half_of_the_time() -> None:
    pipeline = LabelledClips(2, 1.0, crop=16, train_short_side=(16, 16))
    clips = [
        pipeline.load(Recorder((16, 16)), "x", 9.0, numpy_generator(row), True)["video"] for row in range(60)
    ]
    flipped = sum(int(clip[0, 0, 0, 0]) == 15 for clip in clips)
    assert 15 < flipped < 45


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": []}, r"views has 0 view\(s\)"),
        ({"reverse": 2.0}, "reverse=2.0 is a probability"),
        ({"duration_jitter": 1.0}, "duration_jitter=1.0"),
        ({"num_frames": 0}, "ContrastiveClips: num_frames=0"),
        ({"duration": 0.0}, "duration=0.0"),
        ({"train_short_side": (9, 8)}, "train_short_side"),
        ({"eval_crop": 300}, "ContrastiveClips: eval_short_side=256 must be at least eval_crop=300"),
        ({"eval_crops": 2}, "eval_crops=2 must be 1 or 3"),
        ({"eval_clips": 0}, "eval_clips=0"),
        ({"mean": (0.5,)}, "mean="),
    ],
)
def test_impossible_contrastive_clips_are_refused(options: dict[str, Any], message: str) -> None:
    views = [AugmentedClip(RandomResizedCrop(16), Weak())] * 2
    with pytest.raises(ValueError, match=message):
        ContrastiveClips(**{"views": views, **options})


def test_impossible_labelled_clips_are_refused() -> None:
    with pytest.raises(ValueError, match=r"crop=224 .* train_short_side=\[128, 160\]"):
        LabelledClips(train_short_side=(128, 160))
    with pytest.raises(ValueError, match="AugmentedClip: difference=2"):
        AugmentedClip(RandomResizedCrop(16), Weak(), difference=2)
