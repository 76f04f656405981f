"""Clips that are shorter than the clip of a pipeline."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unlabelled.data.media.reader import MediaInfo, Reader
from unlabelled.pipelines import AudioVisualPipeline
from unlabelled.transforms import LogMel


class Recorder(Reader):
    """A reader of noise that records the spans it is asked for."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    def info(self, path: str) -> MediaInfo:
        raise NotImplementedError

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> np.ndarray:
        self.spans.append((start, duration))
        return np.random.default_rng(0).integers(0, 255, (num_frames, 48, 64, 3), dtype=np.uint8)

    def waveform(self, path: str, start: float, duration: float, sample_rate: int) -> np.ndarray:
        return np.ones(round(duration * sample_rate), dtype=np.float32)


def pipeline(**options: float) -> AudioVisualPipeline:
    audio = LogMel(sample_rate=16000, num_filters=20, num_frames=99)
    return AudioVisualPipeline(8, 5.0, 40, (48, 48), 48, audio=audio, **options)


@pytest.mark.parametrize(("duration", "length"), [(1.0, 1.0), (1.3, 1.3), (1.6, 1.6), (4.0, 1.6)])
@pytest.mark.parametrize("train", [True, False])
def test_short_clips_are_read_as_a_whole(duration: float, length: float, train: bool) -> None:
    reader, short = Recorder(), pipeline(min_seconds=1.0)
    for seed in range(20):
        sample = short.load(reader, "a.mp4", duration, np.random.default_rng(seed), train)
        assert sample["video"].shape == (3, 8, 40, 40)
        assert sample["audio"].shape == (1, 20, 99)
        assert torch.isfinite(sample["audio"]).all()
    assert all(span == pytest.approx(length) for _, span in reader.spans)
    assert all(0 <= start <= duration - length + 1e-9 for start, _ in reader.spans)


def test_smallest_duration() -> None:
    assert pipeline().seconds == pytest.approx(1.6)
    assert pipeline(min_seconds=0.5).seconds == 0.5
    assert pipeline(min_seconds=1.7).seconds == pytest.approx(1.6)  # that of the clip
    with pytest.raises(ValueError, match=r"min_seconds=0 must be"):
        pipeline(min_seconds=0)
