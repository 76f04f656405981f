"""Detection of missing modalities by their inputs."""

from __future__ import annotations

import pytest
import torch

from unlabelled.missing import has_feature, has_scores, present_modalities, stand_ins
from unlabelled.transforms import LogMel, VGGishMel
from unlabelled.transforms.clip_transforms import darken, normalise
from unlabelled.transforms.spectrogram import Spectrogram


def clip(low: int, high: int, seed: int = 0) -> torch.Tensor:
    """Return a normalised clip whose pixels are between two grey levels."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(low, high + 1, (4, 3, 16, 16), generator=generator, dtype=torch.uint8)
    return normalise(frames)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_video_of_one_colour_is_missing_and_video_of_low_contrast_is_not(dtype: torch.dtype) -> None:
    colour = torch.tensor([0, 90, 200], dtype=torch.uint8).view(1, 3, 1, 1).expand(4, 3, 16, 16)
    moving = normalise(torch.arange(0, 40, 10, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 3, 16, 16))
    clips = [clip(0, 0), clip(255, 255), normalise(colour), clip(0, 3), clip(120, 126), moving, clip(0, 255)]
    present = present_modalities({"video": torch.stack(clips).to(dtype)}, ["video"])["video"]
    assert present.tolist() == [False, False, False, True, True, True, True]


def test_darkened_video_is_present_until_it_is_black() -> None:
    factors = [1.0, 0.5, 0.1, 0.0]
    clips = torch.stack([darken(clip(20, 120), factor) for factor in factors])
    assert present_modalities({"video": clips}, ["video"])["video"].tolist() == [True, True, True, False]


def test_a_value_that_is_not_finite_makes_an_input_missing() -> None:
    images = torch.randn(3, 3, 8, 8)
    images[1, 0, 2, 3], images[2, 2, 0, 0] = torch.nan, torch.inf
    assert present_modalities({"image": images}, ["image"])["image"].tolist() == [True, False, False]


@pytest.mark.parametrize(
    "spectrogram",
    [
        LogMel(sample_rate=16000, num_filters=64, num_frames=40),
        LogMel(sample_rate=16000, num_filters=64, num_frames=40, mean=1.93, std=17.89),
        LogMel(sample_rate=16000, num_filters=64, num_frames=40, level="clip"),
        VGGishMel(num_frames=40),
    ],
)
def test_silence_is_missing_and_quiet_audio_is_not(spectrogram: Spectrogram) -> None:
    times = torch.arange(16000) / 16000
    tone = torch.sin(2 * torch.pi * 440 * times)
    waves = [0 * tone, 0.003 * tone, 0.3 * tone, 0.003 * torch.randn(16000)]
    batch = {"audio": torch.stack([spectrogram(wave) for wave in waves])}
    assert present_modalities(batch, ["audio"])["audio"].tolist() == [False, True, True, True]
    batch["silent"] = torch.tensor([False, True, False, False])
    assert present_modalities(batch, ["audio"])["audio"].tolist() == [False, False, True, True]


def test_stand_ins_are_rows_of_present_samples_in_turn() -> None:
    values = torch.arange(6.0).view(6, 1).expand(6, 2).clone()
    values[[0, 3, 4]] = torch.nan
    present = torch.tensor([False, True, True, False, False, True])
    assert stand_ins(values, present)[:, 0].tolist() == [1, 1, 2, 2, 5, 5]
    whole = torch.randn(5, 3)
    assert torch.equal(stand_ins(whole, torch.ones(5, dtype=torch.bool)), whole)
    assert torch.equal(stand_ins(whole * torch.nan, torch.zeros(5, dtype=torch.bool)), torch.zeros(5, 3))


def test_no_feature_and_no_scores() -> None:
    assert has_feature(torch.tensor([[0.0, 0.0], [0.0, -1e-30], [torch.nan, 0.0]])).tolist() == [
        False,
        True,
        True,
    ]
    scores = torch.tensor([[-2.0, -2.0, -torch.inf], [-2.0, -2.1, -torch.inf], [0.0, 0.0, 0.0]])
    assert has_scores(scores).tolist() == [False, True, False]


def test_images_of_different_sizes_are_checked_one_by_one() -> None:
    images = [torch.rand(3, 4, 5), torch.full((3, 6, 2), 0.5)]
    assert present_modalities({"image": images}, ["image"])["image"].tolist() == [True, False]
