"""Shifted and reversed copies of clips with their audio; stripes taken out of spectrograms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import MediaInfo
from unlabelled.pipelines import TransformedClips
from unlabelled.seeding import numpy_generator
from unlabelled.transforms import Augmentation, LogMel, SpectrogramMasks

AUDIO = LogMel(sample_rate=8000, num_filters=16, num_frames=49)  # 0.5 s
SMALL: dict[str, Any] = {"num_frames": 4, "fps": 4.0, "crop": 16, "audio": AUDIO, "volume": (1.0, 1.0)}


class Clock:
    """Frames whose brightness is their time in tenths of a second; a tone that rises with time."""

    def __init__(self, size: tuple[int, int] = (16, 16)) -> None:
        self.size = size
        self.seen: list[tuple[float, float]] = []
        self.audio_starts: list[float] = []
        self.sides: list[int | None] = []

    def info(self, path: str) -> MediaInfo:
        return MediaInfo(20.0, True, True, fps=25.0)

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> np.ndarray:
        self.seen.append((start, duration))
        self.sides.append(short_side)
        times = start + np.arange(num_frames) * duration / num_frames
        width, height = self.size
        return np.broadcast_to(
            (10 * times).astype(np.uint8)[:, None, None, None], (num_frames, height, width, 3)
        )

    def waveform(self, path: str, start: float, duration: float, sample_rate: int) -> np.ndarray:
        self.audio_starts.append(start)
        times = start + np.arange(round(duration * sample_rate)) / sample_rate
        return np.sin(2 * np.pi * (200 + 50 * times) * times).astype(np.float32)


def clips(**options: Any) -> TransformedClips:
    return TransformedClips(**{**SMALL, "train_short_side": (16, 16), "eval_short_side": 16, **options})


def loaded(pipeline: TransformedClips, row: int = 0, reader: Clock | None = None, train: bool = True) -> Any:
    return pipeline.load(reader or Clock(), "x.mp4", 20.0, numpy_generator(row), train)


def test_backwards_is_the_same_window_turned_around() -> None:
    for shift in loaded(clips())["views"]:
        forwards, backwards = shift
        assert forwards["video"].shape == (3, 4, 16, 16)
        assert forwards["audio"].shape == (1, 16, 49)
        assert torch.equal(forwards["video"].flip(1), backwards["video"])
        assert torch.equal(forwards["audio"].flip(2), backwards["audio"])
        assert (forwards["video"][0, :, 0, 0].int().diff() > 0).all()


def test_video_and_audio_begin_together_anywhere_in_the_file() -> None:
    reader = Clock()
    pipeline = clips()
    for row in range(200):
        loaded(pipeline, row, reader)
    starts = np.array(reader.seen)[:, 0].reshape(-1, 2)
    assert starts.ravel().tolist() == reader.audio_starts
    assert starts.min() >= 0
    assert starts.max() <= 19
    assert np.quantile(starts, [0.1, 0.5, 0.9]) == pytest.approx([1.9, 9.5, 17.1], abs=1.5)
    assert abs(np.corrcoef(starts.T)[0, 1]) < 0.2
    assert {seconds for _, seconds in reader.seen} == {1.0}


def test_as_many_copies_as_asked_for() -> None:
    for shifts, reversal in ((1, False), (1, True), (3, False)):
        reader = Clock()
        views = loaded(clips(shifts=shifts, reversal=reversal), reader=reader)["views"]
        assert [len(shift) for shift in views] == [2 if reversal else 1] * shifts
        assert len(reader.seen) == len(reader.audio_starts) == shifts  # what runs backwards is not read twice


def test_frames_are_cropped_and_scaled_for_each_copy_audio_for_each_shift() -> None:
    pipeline = TransformedClips(
        **{**SMALL, "volume": (0.5, 2.0)}, train_short_side=(18, 40), eval_short_side=20
    )
    reader = Clock((60, 40))
    ramp = np.broadcast_to(np.arange(60, dtype=np.uint8)[None, None, :, None], (4, 40, 60, 3))
    reader.frames = lambda *asked: reader.sides.append(asked[-1]) or ramp  # type: ignore[method-assign]
    views = [copy for row in range(20) for shift in loaded(pipeline, row, reader)["views"] for copy in shift]
    assert set(reader.sides) == {40}
    steps = [float(copy["video"][0, 0, 0].double().diff().mean()) for copy in views]
    assert 1 <= min(steps) < 1.2  # 40 of 40 rows
    assert 1.9 < max(steps) < 2.4  # 18 of 40
    assert len({round(step, 2) for step in steps}) > 10
    assert len({int(copy["video"][0, 0, 0, 0]) for copy in views}) > 10
    volumes = [float(copy["audio"].mean()) for copy in views]
    assert volumes[0::2] == pytest.approx(volumes[1::2])
    assert np.std(volumes[0::2]) > 0.3


def test_evaluation_is_the_middle() -> None:
    reader = Clock((32, 24))
    pipeline = clips(eval_short_side=24)
    sample = loaded(pipeline, reader=reader, train=False)
    assert {name: (tuple(value.shape), value.dtype) for name, value in sample.items()} == {
        "video": ((3, 4, 16, 16), torch.uint8),
        "audio": ((1, 16, 49), torch.float32),
    }
    assert reader.seen == [(9.5, 1.0)]
    assert reader.audio_starts == [9.5]
    assert reader.sides == [24]
    finished = pipeline.finish(default_collate([sample]))["video"]
    torch.testing.assert_close(finished[0], (sample["video"] / 255 - 0.45) / 0.225, atol=1e-6, rtol=0)


def test_a_file_shorter_than_a_clip_starts_at_its_beginning() -> None:
    reader = Clock()
    pipeline = clips()
    assert pipeline.seconds == 1.0
    assert clips(fps=40.0).seconds == pytest.approx(0.5)  # the audio is longer
    for train in (True, False):
        pipeline.load(reader, "x.mp4", 0.7, numpy_generator(0), train)
    assert {start for start, _ in reader.seen} == {0.0}


def test_batches_of_a_file_are_finished(tiny_root: Path) -> None:
    path = str(sorted(tiny_root.rglob("*.mp4"))[0])
    augmentation = Augmentation(1.0, 0.4, 0.4, 0.4)
    pipeline = clips(train_short_side=(16, 20), augmentation=augmentation, masks=SpectrogramMasks())
    rows = [pipeline.load(PyAVReader(), path, 1.5, numpy_generator(row), True) for row in (0, 1, 1)]
    raw = default_collate([{**row, "index": torch.tensor(place)} for place, row in enumerate(rows)])
    finished = pipeline.finish(raw)
    assert finished["index"].tolist() == [0, 1, 2]
    pairs = [(raw["views"][s][r], finished["views"][s][r]) for s in range(2) for r in range(2)]
    for before, after in pairs:
        assert after.keys() == {"video", "audio"}
        assert after["video"].shape == (3, 3, 4, 16, 16)
        wanted = augmentation.apply(before["video"].float() / 255, before["augmentations"][0])
        torch.testing.assert_close(after["video"], (wanted - 0.45) / 0.225, atol=1e-5, rtol=0)
        assert after["audio"].shape == (3, 1, 16, 49)
        for value in after.values():  # what is drawn depends on the generator alone
            assert torch.equal(value[1], value[2])
            assert not torch.equal(value[0], value[1])


def test_masks_are_as_wide_and_as_many_as_in_the_released_code() -> None:
    spectrogram = torch.rand(1, 20, 30) + 1
    masks, widths, places = SpectrogramMasks(), [], set()
    for row in range(300):
        masked = masks(spectrogram, numpy_generator(row))
        gone = masked == 0
        rows, columns = gone[0].all(1), gone[0].all(0)
        assert torch.equal(gone[0], rows[:, None] | columns)
        assert torch.equal(masked[~gone], spectrogram[~gone])
        for stripe in (rows, columns):
            assert (stripe.int().diff() == 1).sum() <= 1
        widths.append((int(rows.sum()), int(columns.sum())))
        places |= set(columns.nonzero().flatten().tolist())
    assert (spectrogram > 0).all()
    frequency, time = np.array(widths).T
    assert np.unique(frequency, return_counts=True)[1] == pytest.approx([100] * 3, abs=30)
    assert np.unique(time, return_counts=True)[1] == pytest.approx([50] * 6, abs=25)
    assert places == set(range(30))
    assert SpectrogramMasks(50, 0)(torch.ones(1, 4, 9), numpy_generator(0)).sum() in (0, 9, 18, 27, 36)
    filled = SpectrogramMasks(50, 50, value=1.5)(torch.zeros(1, 4, 9), numpy_generator(3))
    assert filled.max() == 1.5
    assert SpectrogramMasks(0, 0)(spectrogram, numpy_generator(0)).equal(spectrogram)
    heavy = [SpectrogramMasks(3, 6, 2, 2)(spectrogram, numpy_generator(row)) for row in range(50)]
    assert max(int((each[0] == 0).all(0).sum()) for each in heavy) > 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shifts": 0}, "TransformedClips: shifts=0"),
        ({"fps": 0.0}, r"fps=0\.0"),
        ({"crop": 17}, r"train_short_side=\[16, 16\] and eval_short_side=16 must be at least crop=17"),
        ({"volume": (1.1, 0.9)}, "volume="),
        ({"std": (0.0, 1.0, 1.0)}, "std="),
    ],
)
def test_impossible_clips_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clips(**options)


def test_impossible_masks_are_refused() -> None:
    with pytest.raises(ValueError, match="SpectrogramMasks: time=-1"):
        SpectrogramMasks(time=-1)


def test_the_defaults_are_the_released_codes() -> None:
    pipeline = TransformedClips()
    assert pipeline.seconds == pytest.approx(1.0)
    assert (pipeline.audio.num_filters, pipeline.audio.num_frames, pipeline.audio.sample_rate) == (
        40,
        99,
        24000,
    )


@pytest.mark.parametrize("train", [True, False])
def test_short_files_are_read_as_a_whole(train: bool) -> None:
    reader, pipeline = Clock(), clips(min_seconds=0.4)
    assert pipeline.seconds == 0.4
    pipeline.load(reader, "x.mp4", 0.7, numpy_generator(1), train)
    assert set(reader.seen) == {(0.0, 0.7)}
    assert clips(min_seconds=1.5).seconds == 1.0
    with pytest.raises(ValueError, match=r"min_seconds=0 must be above 0"):
        clips(min_seconds=0)
