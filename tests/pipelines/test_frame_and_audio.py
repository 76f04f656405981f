"""Frames with the audio around them: their moments, silence, padding."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate
from torchvision.transforms.v2 import functional as TF

from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import MediaInfo
from unlabelled.pipelines import FrameAndAudio
from unlabelled.seeding import numpy_generator
from unlabelled.transforms import L3Colours, ResizedCrop, VGGishMel

SECOND = VGGishMel(num_frames=98)  # 0.995 s


class Clock:
    """Images whose brightness, and samples whose value, is the time; records what is read."""

    def __init__(self, duration: float = 10.0, loudness: float = 1.0) -> None:
        self.duration, self.loudness = duration, loudness
        self.shown: list[float] = []
        self.read_spans: list[tuple[float, float]] = []

    def info(self, path: str) -> MediaInfo:
        return MediaInfo(self.duration, True, True, fps=25.0)

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> np.ndarray:
        assert num_frames == 1
        self.shown.append(start)
        across = np.arange(40, dtype=np.uint8)[None, :, None]
        return np.broadcast_to(across + np.uint8(start), (1, 30, 40, 3)).copy()

    def waveform(self, path: str, start: float, duration: float, sample_rate: int) -> np.ndarray:
        self.read_spans.append((start, duration))
        times = start + np.arange(round(duration * sample_rate)) / sample_rate
        return (self.loudness * (times < self.duration)).astype(np.float32)


def moments(pipeline: FrameAndAudio, duration: float, train: bool, count: int = 200) -> np.ndarray:
    """Return the beginnings of the audio, and the moments of the frames."""
    reader = Clock(duration)
    for row in range(count):
        pipeline.load(reader, "x.mp4", duration, numpy_generator(row), train)
    return np.array(
        [(start, shown) for (start, _), shown in zip(reader.read_spans, reader.shown, strict=True)]
    )


def test_shapes_and_seconds() -> None:
    pipeline = FrameAndAudio(16, SECOND)
    sample = pipeline.load(Clock(), "x.mp4", 10.0, numpy_generator(0), True)
    assert {name: (tuple(value.shape), value.dtype) for name, value in sample.items()} == {
        "image": ((3, 16, 16), torch.uint8),
        "frame_second": ((), torch.float64),
        "audio": ((1, 64, 98), torch.float32),
        "silent": ((), torch.bool),
    }
    assert pipeline.seconds == SECOND.seconds
    assert FrameAndAudio(16, SECOND, pad=True).seconds == 0
    assert FrameAndAudio().audio.num_frames == 496


def test_the_frame_lies_within_the_audio() -> None:
    starts, shown = moments(FrameAndAudio(16, SECOND), 10.0, train=True).T
    assert starts.min() >= 0
    assert starts.max() <= 10 - SECOND.seconds
    offsets = shown - starts
    assert 0 <= offsets.min() < 0.05
    assert 0.95 < offsets.max() <= SECOND.seconds
    assert abs(np.corrcoef(starts, offsets)[0, 1]) < 0.2


def test_frame_j_goes_with_the_audio_from_5j() -> None:
    """DMC's pairs: starts at multiples of five seconds, the frame at the beginning."""
    pipeline = FrameAndAudio(16, VGGishMel(), segment=5.0, frame="beginning")
    starts, shown = moments(pipeline, 20.0, train=True).T
    assert (starts == shown).all()
    assert sorted(set(starts)) == [0.0, 5.0, 10.0, 15.0]
    assert moments(pipeline, 20.0, train=False, count=1).tolist() == [[5.0, 5.0]]
    assert set(moments(pipeline, 9.9, train=True)[:, 0]) == {0.0}
    assert moments(pipeline, 15.0, train=False, count=1).tolist() == [[5.0, 5.0]]


@pytest.mark.parametrize("duration", [4.0, 1.5, SECOND.seconds])
def test_evaluation_shows_the_middle(duration: float) -> None:
    ((start, shown),) = moments(FrameAndAudio(16, SECOND), duration, train=False, count=1)
    assert shown == pytest.approx(duration / 2)
    assert start == pytest.approx((duration - SECOND.seconds) / 2)
    sample = FrameAndAudio(16, SECOND).load(Clock(), "x.mp4", duration, numpy_generator(0), False)
    assert float(sample["frame_second"]) == pytest.approx(duration / 2)


def test_the_whole_frame_is_stretched() -> None:
    pipeline = FrameAndAudio(16, SECOND, crop=ResizedCrop(16, 20))
    still = pipeline.load(Clock(), "x.mp4", 10.0, numpy_generator(0), False)["image"]
    reader = Clock()
    frame = torch.from_numpy(reader.frames("x.mp4", 5.0, 1.0, 1)[0]).permute(2, 0, 1)
    assert torch.equal(still, TF.resize(frame, [16, 16], antialias=True))
    cut = pipeline.load(Clock(), "x.mp4", 10.0, numpy_generator(0), True)["image"]
    assert cut.shape == still.shape
    assert int(cut.max()) - int(cut.min()) < int(still.max()) - int(still.min())


def test_the_same_numbers_give_the_same_sample() -> None:
    pipeline = FrameAndAudio(16, SECOND, crop=ResizedCrop(16, 20), augmentation=L3Colours(), volume=(0.5, 2))
    first, again, other = (
        pipeline.load(Clock(), "x.mp4", 10.0, numpy_generator(seed), True) for seed in (1, 1, 2)
    )
    for name in ("image", "audio", "frame_second"):
        assert torch.equal(first[name], again[name])
    assert first["frame_second"] != other["frame_second"]
    factors = [first["augmentations"][0]["factor"], other["augmentations"][0]["factor"]]
    assert factors[0] != factors[1]


@pytest.mark.parametrize(("loudness", "silent"), [(0.0, True), (0.9e-4, True), (1.1e-4, False), (0.5, False)])
def test_silence_is_detected_by_the_root_mean_square(loudness: float, silent: bool) -> None:
    pipeline = FrameAndAudio(16, SECOND, volume=(0.1, 0.1))  # a lower volume is not silence
    sample = pipeline.load(Clock(loudness=loudness), "x.mp4", 10.0, numpy_generator(0), True)
    assert bool(sample["silent"]) == silent


def test_volume_is_drawn_in_training_only() -> None:
    pipeline, clip = FrameAndAudio(16, SECOND, volume=(2.0, 2.0)), Clock(10.0)
    quiet, loud = (
        pipeline.load(clip, "x.mp4", 10.0, numpy_generator(0), train)["audio"] for train in (False, True)
    )
    bands = [(part.double().exp() - 0.01) for part in (quiet, loud)]
    torch.testing.assert_close(bands[1], 2 * bands[0], rtol=1e-4, atol=1e-4)


def test_what_is_missing_of_short_audio_is_masked() -> None:
    pipeline = FrameAndAudio(16, SECOND, pad=True)
    sample = pipeline.load(Clock(0.5), "x.mp4", 0.5, numpy_generator(0), False)
    assert sample["audio_mask"].tolist() == [frame * 0.01 < 0.5 for frame in range(98)]
    assert float(sample["frame_second"]) == pytest.approx(0.25)
    assert pipeline.load(Clock(), "x.mp4", 10.0, numpy_generator(0), True)["audio_mask"].all()


def test_finish_normalises_and_pixels_undoes_it() -> None:
    for options in ({}, {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}):
        pipeline = FrameAndAudio(16, SECOND, **options)
        batch = default_collate(
            [pipeline.load(Clock(), "x.mp4", 10.0, numpy_generator(i), False) for i in (0, 1)]
        )
        finished = pipeline.finish(batch)
        assert finished["image"].dtype == torch.float32
        raw = batch["image"][0].float() / 255
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (pipeline.mean, pipeline.std))
        torch.testing.assert_close(finished["image"][0], (raw - mean) / std)
        assert torch.equal(pipeline.pixels(finished["image"]), batch["image"])


def apply(colours: L3Colours, images: torch.Tensor, parameters: dict[str, Any]) -> torch.Tensor:
    return colours.apply(images, {name: torch.tensor([value]) for name, value in parameters.items()})


def test_l3s_colours_by_torchvision() -> None:
    colours = L3Colours()
    image = torch.rand(1, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    for first in (True, False):
        found = apply(colours, image, {"factor": 1.4, "shift": 0.1, "saturation_first": first, "flip": True})
        if first:
            expected = (TF.adjust_saturation(image, 1.4) + 0.1).clamp(0, 1)
        else:
            expected = TF.adjust_saturation((image + 0.1).clamp(0, 1), 1.4)
        torch.testing.assert_close(found, expected.flip(-1), atol=2e-4, rtol=0)


def test_l3s_amounts() -> None:
    drawn = [L3Colours().draw(numpy_generator(i)) for i in range(400)]
    factors, shifts = (torch.stack([each[name] for each in drawn]) for name in ("factor", "shift"))
    assert 0.5 <= float(factors.min()) < 0.52
    assert 1.48 < float(factors.max()) <= 1.5
    assert float(shifts.abs().max()) <= 32 / 255
    assert float(shifts.min()) < -0.12
    for name in ("flip", "saturation_first"):
        assert 150 < sum(bool(each[name]) for each in drawn) < 250


def test_crop_of_the_resized_image() -> None:
    original = torch.arange(48, dtype=torch.uint8).expand(3, 32, 48).contiguous()
    widths = set()
    for stretch, width in ((True, 16), (False, 24)):
        crop = ResizedCrop(8, 16, stretch)
        resized = TF.resize(original, [16, width], antialias=True)
        cuts = [crop(original, numpy_generator(seed)) for seed in range(30)]
        lefts = {
            next(x for x in range(width - 7) if torch.equal(cut, resized[:, :8, x : x + 8])) for cut in cuts
        }
        assert len(lefts) > 5
        widths.add(max(lefts))
    assert max(widths) > 8  # some lie where the stretched image has ended


def test_a_real_clip(tiny_root: Path) -> None:
    path = str(sorted(tiny_root.rglob("*.mp4"))[0])
    reader = PyAVReader()
    sample = FrameAndAudio(24, VGGishMel(num_frames=98)).load(reader, path, 1.5, numpy_generator(0), False)
    frame = torch.from_numpy(reader.frames(path, 0.75, 0.001, 1)[0]).permute(2, 0, 1)
    assert torch.equal(sample["image"], TF.resize(frame, [24, 24], antialias=True))
    assert not bool(sample["silent"])
    assert sample["audio"].std() > 0.1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crop": ResizedCrop(8, 10)}, "crop.init_args.size must be size=16"),
        ({"segment": 0.0}, "segment=0.0 must be above 0"),
        ({"volume": (2.0, 1.0)}, "volume"),
        ({"std": (1.0, 0.0, 1.0)}, "std"),
        ({"silence": -1.0}, "silence=-1.0 must be at least 0"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FrameAndAudio(16, SECOND, **options)
    assert math.isclose(SECOND.seconds, 0.995)
