"""Sub-clips of a recording: where they begin, what they contain, and the dimension that they make."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unlabelled.data.media.reader import MediaInfo
from unlabelled.encoders.evaluation_crops import embed_crops, num_crops
from unlabelled.pipelines import AudioPipeline
from unlabelled.transforms import LogMel

RATE = 1000
MEL = LogMel(sample_rate=RATE, num_filters=8, num_frames=20, window=0.02, hop=0.01, num_fft=32)


class Ramp:
    """Audio whose samples are their own times; records what is read."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, float]] = []

    def info(self, path: str) -> MediaInfo:
        raise NotImplementedError

    def frames(self, *args: Any, **kwargs: Any) -> NDArray[np.uint8]:
        raise NotImplementedError

    def waveform(self, path: str, start: float, duration: float, sample_rate: int) -> NDArray[np.float32]:
        assert sample_rate == RATE
        self.asked.append((start, duration))
        places = round(start * RATE) + np.arange(round(duration * RATE))
        noise = np.random.default_rng(0).normal(size=40_000).astype(np.float32)
        return noise[places]


def fixed(pipeline: AudioPipeline, duration: float) -> tuple[torch.Tensor, Ramp]:
    reader = Ramp()
    return pipeline.load(reader, "a.wav", duration, np.random.default_rng(0), False)["audio"], reader


def test_the_sub_clips_of_dcase2014_begin_25_59ths_of_a_second_apart() -> None:
    pipeline = AudioPipeline(MEL, clip_seconds=5.0, eval_clips=60)
    assert pipeline.seconds == 5.0
    audio, reader = fixed(pipeline, 30.0)
    assert audio.shape == (60, 1, 8, 20)
    assert len(reader.asked) == 60  # spectrograms of 0.21 s do not overlap
    np.testing.assert_allclose([start for start, _ in reader.asked], np.arange(60) * 25 / 59)


@pytest.mark.parametrize("count", [2, 60])
def test_overlapping_sub_clips_are_cut_from_one_stretch(count: int) -> None:
    audio, reader = fixed(AudioPipeline(MEL, clip_seconds=0.5, eval_clips=count), 0.6)
    assert len(reader.asked) == 1
    apart = [
        MEL(torch.from_numpy(Ramp().waveform("", 0.1 * j / (count - 1), MEL.seconds, RATE)))
        for j in range(count)
    ]
    torch.testing.assert_close(audio, torch.stack(apart))


def test_one_sub_clip_is_the_middle_and_has_no_dimension_of_its_own() -> None:
    audio, reader = fixed(AudioPipeline(MEL, clip_seconds=1.0), 4.0)
    assert audio.shape == (1, 8, 20)
    assert reader.asked == [(1.5, pytest.approx(MEL.seconds))]
    assert AudioPipeline(MEL).seconds == MEL.seconds


def test_training_draws_start_and_volume() -> None:
    pipeline, starts = AudioPipeline(MEL, volume=(0.5, 2.0)), set()
    for seed in range(3):
        reader, rng = Ramp(), np.random.default_rng(seed)
        audio = pipeline.load(reader, "a.wav", 10.0, rng, True)["audio"]
        ((start, _),) = reader.asked
        starts.add(start)
        plain = MEL(torch.from_numpy(Ramp().waveform("", start, MEL.seconds, RATE)))
        louder = audio - plain
        assert louder.std() < 1e-4
        assert abs(float(louder.mean())) <= 2 * np.log(2) + 1e-4
        assert abs(float(louder.mean())) > 1e-3
    assert len(starts) == 3
    assert all(0 <= start <= 10 - MEL.seconds for start in starts)


def test_sub_clips_are_crops_whose_features_are_averaged() -> None:
    audio, _ = fixed(AudioPipeline(MEL, clip_seconds=0.5, eval_clips=3), 2.0)
    batch = {"audio": torch.stack([audio, 2 * audio])}
    assert num_crops(batch) == 3
    (features,) = embed_crops(lambda part: {"audio": part["audio"].flatten(1)}, batch).values()
    torch.testing.assert_close(features[0], audio.mean(0).flatten())


def test_a_mask_for_encoders_of_streams() -> None:
    for clips in (1, 3):
        pipeline = AudioPipeline(MEL, eval_clips=clips, mask=True)
        sample = pipeline.load(Ramp(), "a.wav", 2.0, np.random.default_rng(0), False)
        assert sample["audio_mask"].tolist() == [True] * 20


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"clip_seconds": 0.1}, "clip_seconds=0.1 is less than the 0.21 s of the spectrogram"),
        ({"eval_clips": 0}, "eval_clips=0 must be at least 1"),
        ({"volume": (1.1, 0.9)}, "smallest, largest"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AudioPipeline(MEL, **options)
