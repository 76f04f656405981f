"""Several sub-clips of a recording at once: each has a start, a volume and masks of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from tests.pipelines.test_audio import MEL, RATE, Ramp
from unlabelled.pipelines import AudioPipeline, ContrastiveAudio
from unlabelled.transforms import SpectrogramMasks


def test_views_begin_anywhere_and_differ_in_volume() -> None:
    pipeline, reader = ContrastiveAudio(3, MEL, volume=(0.5, 2.0)), Ramp()
    views = pipeline.load(reader, "a.wav", 10.0, np.random.default_rng(0), True)["views"]
    assert [tuple(each.shape) for each in views] == [(1, 8, 20)] * 3
    starts = [start for start, _ in reader.asked]
    assert len(set(starts)) == 3
    shifts = set()
    for start, spectrogram in zip(starts, views, strict=True):
        plain = MEL(torch.from_numpy(Ramp().waveform("", start, MEL.seconds, RATE)))
        louder = spectrogram - plain
        assert louder.std() < 1e-4  # a volume is a shift of all log-energies
        shifts.add(round(louder.mean().item(), 3))
    assert len(shifts) == 3


def test_masks_are_drawn_for_each_view() -> None:
    pipeline = ContrastiveAudio(2, MEL, volume=(1.0, 1.0), masks=SpectrogramMasks(8, 20))
    plain = ContrastiveAudio(2, MEL, volume=(1.0, 1.0))
    masked, whole = (
        each.load(Ramp(), "a.wav", MEL.seconds, np.random.default_rng(3), True)["views"]
        for each in (pipeline, plain)
    )
    holes = [spectrogram == 0 for spectrogram in masked]
    assert all(hole.any() for hole in holes)
    assert not torch.equal(*holes)
    for spectrogram, hole, complete in zip(masked, holes, whole, strict=True):
        torch.testing.assert_close(spectrogram[~hole], complete[~hole])


def test_evaluation_is_that_of_the_audio_pipeline() -> None:
    pipeline, single = ContrastiveAudio(2, MEL, 0.5, 3), AudioPipeline(MEL, 0.5, 3)
    samples = [
        each.load(Ramp(), "a.wav", 2.0, np.random.default_rng(0), False) for each in (pipeline, single)
    ]
    assert samples[0].keys() == {"audio"}
    assert torch.equal(samples[0]["audio"], samples[1]["audio"])
    assert pipeline.seconds == single.seconds


def test_batches_are_lists_of_views() -> None:
    pipeline = ContrastiveAudio(2, MEL)
    samples = [pipeline.load(Ramp(), "a.wav", 5.0, np.random.default_rng(row), True) for row in range(4)]
    finished = pipeline.finish(default_collate(samples))
    assert [tuple(each.shape) for each in finished["views"]] == [(4, 1, 8, 20)] * 2


def test_one_view_is_refused() -> None:
    with pytest.raises(ValueError, match="num_views=1 must be at least 2"):
        ContrastiveAudio(1, MEL)
