"""Audio files with images in files of their own are read like videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests._helpers.audio_files import RATE, write_tone
from tests._helpers.media_files import click_positions, garbage, read_number, write_clip
from unlabelled.data.media.decord_reader import DecordReader
from unlabelled.data.media.paired_reader import PairedReader
from unlabelled.data.media.reader import DecodeError
from unlabelled.pipelines import AudioVisualPipeline
from unlabelled.transforms import LogMel


def write_image(path: Path, level: int, size: tuple[int, int] = (32, 24)) -> str:
    Image.new("RGB", size, (level, level, level)).save(path)
    return str(path)


@pytest.fixture
def audio_file(tmp_path: Path) -> str:
    return str(write_tone(tmp_path / "1.wav", 440, seconds=12, channels=2))


def test_each_image_is_shown_for_its_time(audio_file: str, tmp_path: Path) -> None:
    images = [write_image(tmp_path / f"{level}.png", level) for level in (10, 20, 30)]
    reader = PairedReader(DecordReader(), {audio_file: images}, frame_seconds=4.0)
    for start, level in ((0.0, 10), (3.9, 10), (4.0, 20), (7.99, 20), (8.0, 30), (11.5, 30), (99.0, 30)):
        frames = reader.frames(audio_file, start, 0.5, 2)
        assert frames.shape == (2, 24, 32, 3)
        assert set(np.unique(frames)) == {level}
    assert reader.frames(audio_file, 0.0, 12.0, 3).mean((1, 2, 3)).tolist() == [10, 20, 30]
    assert reader.frames(audio_file, 0.0, 0.5, 1, short_side=12).shape == (1, 12, 16, 3)
    info = reader.info(audio_file)
    assert (info.width, info.height, info.has_video, info.has_audio) == (32, 24, True, True)
    assert info.duration == pytest.approx(12, abs=0.01)


def test_images_of_other_sizes_are_resized_to_the_first(audio_file: str, tmp_path: Path) -> None:
    images = [write_image(tmp_path / "a.png", 10), write_image(tmp_path / "b.png", 20, (64, 64))]
    frames = PairedReader(DecordReader(), {audio_file: images}, 4.0).frames(audio_file, 0.0, 8.0, 2)
    assert frames.shape == (2, 24, 32, 3)
    assert frames.mean((1, 2, 3)).tolist() == [10, 20]


def test_audio_and_other_files_are_those_of_the_reader(audio_file: str, tmp_path: Path) -> None:
    video = write_clip(tmp_path / "2.mp4", duration=1.0, fps=10)
    plain = DecordReader()
    paired = PairedReader(DecordReader(), {audio_file: [write_image(tmp_path / "a.png", 9)]})
    np.testing.assert_array_equal(
        paired.waveform(audio_file, 1.0, 2.0, RATE), plain.waveform(audio_file, 1.0, 2.0, RATE)
    )
    assert [read_number(frame) for frame in paired.frames(video, 0.0, 1.0, 10)] == list(range(10))
    assert click_positions(paired.waveform(video, 0.0, 1.0, 16000), 16000)
    assert paired.info(video) == plain.info(video)


def test_a_pipeline_of_clips_can_be_used(audio_file: str, tmp_path: Path) -> None:
    reader = PairedReader(DecordReader(), {audio_file: [write_image(tmp_path / "a.png", 9)]})
    mel = LogMel(sample_rate=RATE, num_filters=8, num_frames=20)
    pipeline = AudioVisualPipeline(
        num_frames=3, crop=16, train_short_side=(20, 20), eval_short_side=20, audio=mel
    )
    sample = pipeline.load(reader, audio_file, 12.0, np.random.default_rng(0), train=True)
    assert sample["video"].shape == (3, 3, 16, 16)
    assert torch.isfinite(sample["audio"]).all()


def test_a_damaged_image_is_a_decode_error(audio_file: str, tmp_path: Path) -> None:
    reader = PairedReader(DecordReader(), {audio_file: [garbage(tmp_path / "a.jpg")]})
    with pytest.raises(DecodeError, match=r"a\.jpg: not an image file"):
        reader.frames(audio_file, 0.0, 1.0, 1)
    with pytest.raises(ValueError, match="frame_seconds=0 must be above 0"):
        PairedReader(DecordReader(), {}, 0)
