"""Clips whose frames are evaluated as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from unlabelled.data.media.decord_reader import DecordReader
from unlabelled.pipelines import AudioVisualPipeline, UncroppedClips
from unlabelled.seeding import numpy_generator
from unlabelled.transforms import LogMel
from unlabelled.transforms.clip_transforms import centre_crop

OPTIONS: dict[str, Any] = {"num_frames": 4, "fps": 8.0, "crop": 16, "train_short_side": (24, 24)}


@pytest.fixture
def samples(tiny_root: Path) -> Any:
    path = str(min(tiny_root.rglob("*.mp4")))
    audio = LogMel(sample_rate=8000, num_filters=16, num_frames=40)

    def load(cls: type[AudioVisualPipeline], train: bool) -> dict[str, Any]:
        pipeline = cls(**OPTIONS, eval_short_side=24, audio=audio)
        return dict(pipeline.load(DecordReader(), path, 1.5, numpy_generator(0), train))

    return load


def test_evaluation_takes_the_whole_frame_and_returns_its_seconds(samples: Any) -> None:
    whole, cropped = samples(UncroppedClips, False), samples(AudioVisualPipeline, False)
    assert whole["video"].shape == (3, 4, 24, 32)
    assert torch.equal(centre_crop(whole["video"].transpose(0, 1), 16).transpose(0, 1), cropped["video"])
    assert torch.equal(whole["audio"], cropped["audio"])
    seconds = max(0.5, LogMel(sample_rate=8000, num_filters=16, num_frames=40).seconds)
    assert whole["frame_second"].item() == pytest.approx((1.5 - seconds) / 2 + 0.25)
    assert whole["frame_second"].dtype == torch.float64


def test_training_is_that_of_the_parent(samples: Any) -> None:
    mine, parents = samples(UncroppedClips, True), samples(AudioVisualPipeline, True)
    assert mine.keys() == parents.keys() == {"video", "audio", "silent"}
    assert all(torch.equal(mine[name], parents[name]) for name in mine)
