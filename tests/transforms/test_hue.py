"""Colours of uint8 frames, against torchvision's functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from unlabelled.transforms.clip_transforms import jitter_colours
from unlabelled.transforms.hue import shift_frame_hue


def colours(step: int) -> Tensor:
    """Return a frame ``(1, 3, H, W)`` of all colours whose channels are multiples of ``step`` or 255."""
    levels = torch.tensor([*range(0, 255, step), 255], dtype=torch.uint8)
    return torch.cartesian_prod(levels, levels, levels).T[None, :, None]


@pytest.mark.parametrize("shift", [0.0, 0.1, -0.1, 0.0371, -0.2718, 0.5, -0.5, 1 / 3])
def test_the_hue_is_torchvisions_bit_for_bit(shift: float) -> None:
    for frames in (colours(13), torch.arange(256).to(torch.uint8).expand(1, 3, 1, -1)):
        assert torch.equal(shift_frame_hue(frames, shift), TF.adjust_hue(frames, shift))


@pytest.mark.parametrize("seed", range(6))
def test_jittered_colours_are_torchvisions_bit_for_bit(seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (3, 20, 30, 3)).astype(np.uint8)
    frames = torch.from_numpy(pixels).permute(0, 3, 1, 2)[..., 2:19, 5:28]  # as read and cropped
    rng, expected = np.random.default_rng(seed), frames
    amounts = [*rng.uniform(0.6, 1.4, 3), rng.uniform(-0.1, 0.1)]
    adjust = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation, TF.adjust_hue)
    for step in rng.permutation(4):
        expected = adjust[step](expected, float(amounts[step]))
    jittered = jitter_colours(frames, 0.4, np.random.default_rng(seed))
    assert torch.equal(jittered, expected)
    assert not torch.equal(jittered, frames)
