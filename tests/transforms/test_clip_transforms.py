"""Spatial transforms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unlabelled.transforms.clip_transforms import (
    centre_crop,
    compress,
    darken,
    denormalise,
    normalise,
    random_crop,
    shift_colours,
)


def frames(height: int, width: int) -> torch.Tensor:
    grid = torch.arange(height * width, dtype=torch.int64).view(1, 1, height, width) % 251
    return grid.expand(2, 3, -1, -1).to(torch.uint8)


def test_every_offset_of_a_random_crop_is_reached() -> None:
    rng = np.random.default_rng(0)
    image = torch.arange(3 * 4, dtype=torch.uint8).view(1, 1, 3, 4).expand(1, 3, -1, -1)
    corners = {int(random_crop(image, 2, rng)[0, 0, 0, 0]) for _ in range(200)}
    assert corners == {0, 1, 2, 4, 5, 6}  # the released code never takes the last offset (trap 7.11)


def test_a_crop_of_the_whole_frame_is_the_frame() -> None:
    image = frames(6, 6)
    assert torch.equal(random_crop(image, 6, np.random.default_rng(0)), image)
    assert torch.equal(centre_crop(image, 6), image)


def test_the_centre_crop_rounds_up() -> None:
    assert torch.equal(centre_crop(frames(7, 10), 4), frames(7, 10)[..., 2:6, 3:7])


def test_normalisation_is_the_released_codes() -> None:
    image = frames(4, 5)
    clip = normalise(image)
    assert clip.shape == (3, 2, 4, 5)
    assert clip.dtype == torch.float32
    expected = (image.double() / 255 - 0.45) / 0.225
    torch.testing.assert_close(clip.double(), expected.transpose(0, 1), atol=1e-6, rtol=0)
    assert torch.equal(denormalise(clip).transpose(0, 1), image)


def test_normalisation_by_statistics_of_each_channel() -> None:
    image, mean, std = frames(4, 5), (0.1, 0.2, 0.3), (0.5, 0.25, 0.125)
    clip = normalise(image, mean, std)
    expected = (image.double() / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(clip.double(), expected.transpose(0, 1), atol=1e-5, rtol=0)
    assert torch.equal(denormalise(clip, mean, std).transpose(0, 1), image)
    dark = denormalise(darken(clip, 0.5, mean, std), mean, std).transpose(0, 1)
    assert (dark.double() - image.double() / 2).abs().max() <= 1


@pytest.mark.parametrize(
    ("side", "expected"),
    [(4, [0, 0, 2, 2, 4, 4, 6, 6]), (3, [0, 0, 0, 2, 2, 2, 5, 5]), (2, [0, 0, 0, 0, 4, 4, 4, 4])],
)
def test_nearest_neighbour_compression_matches_the_reference(side: int, expected: list[int]) -> None:
    ramp = torch.arange(8.0).view(1, 1, 1, 1, 8).expand(2, 3, 2, 8, -1)
    result = compress(ramp, side)
    assert result.shape == ramp.shape
    assert result[0, 0, 0, 0].tolist() == expected


def test_colour_shift_changes_contrast_and_levels_of_a_whole_clip() -> None:
    clip = torch.randn(3, 4, 6, 6)
    shifted = [shift_colours(clip, 0.3, np.random.default_rng(seed)) for seed in range(400)]
    contrasts = torch.stack([(each.std() / clip.std()) for each in shifted])
    assert abs(float(contrasts.median()) - 1) < 0.1
    assert 0.2 < float(contrasts.std()) < 0.4
    moved = shifted[0]
    slopes = (moved[:, 1:] - moved[:, :-1]) / (clip[:, 1:] - clip[:, :-1])
    torch.testing.assert_close(slopes, slopes[0, 0, 0, 0].expand_as(slopes), rtol=1e-2, atol=1e-2)
    levels = torch.stack([(each - clip * each.std() / clip.std()).mean((1, 2, 3)) for each in shifted])
    assert 0.2 < float(levels.std()) < 0.4
    torch.testing.assert_close(shift_colours(clip, 0.0, np.random.default_rng(0)), clip)
