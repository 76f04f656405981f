"""Random windows against torchvision's algorithm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as TF

from unlabelled.transforms import PaddedCrop, RandomResizedCrop


def random_image(height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (3, height, width), generator=torch.Generator().manual_seed(0)).byte()


def test_boxes_are_distributed_as_torchvisions() -> None:
    crop, theirs = RandomResizedCrop(8, (0.2, 1.0)), v2.RandomResizedCrop(8, (0.2, 1.0))
    rng, image = np.random.default_rng(0), random_image(60, 80)
    torch.manual_seed(0)
    ours = np.array([crop.box(60, 80, rng) for _ in range(1500)])
    names = ("top", "left", "height", "width")
    drawn = [theirs.make_params([image]) for _ in range(1500)]
    other = np.array([[box[name] for name in names] for box in drawn])
    for column in range(4):
        assert ks_2samp(ours[:, column], other[:, column]).pvalue > 1e-3, names[column]
    area = ks_2samp(ours[:, 2] * ours[:, 3], other[:, 2] * other[:, 3])
    assert area.pvalue > 1e-3


@pytest.mark.parametrize(("height", "width"), [(10, 100), (100, 10), (10, 13), (13, 10)])
def test_where_no_window_fits_the_middle_is_torchvisions(height: int, width: int) -> None:
    # Nothing as large as the whole image is as wide or as high as these ratios, so all tries fail.
    scale, ratio = (1.0, 1.0), (2.0, 3.0) if width < 2 * height else (1.0, 1.1)
    theirs = v2.RandomResizedCrop(8, scale, ratio).make_params([random_image(height, width)])
    box = RandomResizedCrop(8, scale, ratio).box(height, width, np.random.default_rng(0))
    assert box == tuple(theirs[name] for name in ("top", "left", "height", "width"))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 1000))
def test_a_box_is_in_the_image_and_of_the_right_size(height: int, width: int, seed: int) -> None:
    crop = RandomResizedCrop(8, (0.2, 0.766))
    top, left, high, wide = crop.box(height, width, np.random.default_rng(seed))
    assert 0 <= top <= top + high <= height
    assert 0 <= left <= left + wide <= width
    assert min(high, wide) >= 1
    fits = 3 / 4 <= width / height <= 4 / 3 and min(high, wide) > 30  # no fallback, little rounding
    if fits:
        assert 0.19 < high * wide / (height * width) < 0.80
        assert math.log(3 / 4) - 0.04 < math.log(wide / high) < math.log(4 / 3) + 0.04


def test_a_window_is_scaled_as_torchvision_scales_it() -> None:
    crop, image = RandomResizedCrop(16, (0.3, 0.9)), random_image(50, 64)
    box = crop.box(50, 64, np.random.default_rng(5))
    expected = TF.resized_crop(image, *box, [16, 16], antialias=True)
    assert torch.equal(crop(image, np.random.default_rng(5)), expected)


@pytest.mark.parametrize("crop", [RandomResizedCrop(12), PaddedCrop(36, padding=4)])
def test_the_frames_of_a_clip_share_one_window(crop: RandomResizedCrop | PaddedCrop) -> None:
    clip = crop(random_image(40, 50).expand(5, -1, -1, -1), np.random.default_rng(0))
    assert clip.shape == (5, 3, crop.size, crop.size)
    assert clip.dtype == torch.uint8
    assert all(torch.equal(frame, clip[0]) for frame in clip)


def test_a_padded_crop_reaches_every_offset_of_the_black_frame() -> None:
    image, rng = torch.full((3, 4, 4), 9, dtype=torch.uint8), np.random.default_rng(0)
    crop = PaddedCrop(4, padding=1)
    windows = [crop(image, rng) for _ in range(200)]
    borders = {(int((w[0, :, 1] == 0).sum()), int((w[0, 1] == 0).sum())) for w in windows}
    assert borders == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert len({w.numpy().tobytes() for w in windows}) == 9


def test_an_image_too_small_for_its_crop_is_named() -> None:
    with pytest.raises(ValueError, match="20x10 pixels with padding=4 is smaller than size=32"):
        PaddedCrop(32)(random_image(10, 20), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "RandomResizedCrop: size=0"),
        ({"size": 8, "scale": (0.0, 1.0)}, "scale"),
        ({"size": 8, "scale": (0.5, 1.5)}, "cannot exceed 1"),
        ({"size": 8, "ratio": (2.0, 1.0)}, "ratio"),
    ],
)
def test_impossible_windows_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandomResizedCrop(**options)
