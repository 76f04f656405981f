"""RGB difference against values (docs/methods/sce.md#worked-examples) and the definition written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unlabelled.transforms.difference import kept_frames, rgb_difference

TOY = torch.tensor(
    [[[10, 20, 30], [200, 100, 50]], [[20, 20, 20], [100, 100, 100]], [[0, 255, 0], [255, 255, 255]]],
    dtype=torch.uint8,
)  # (T, W, 3)


def frames_of(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.permute(0, 2, 1).unsqueeze(2)  # (T, 3, 1, W)


def test_the_executed_example() -> None:
    result = rgb_difference(frames_of(TOY), np.arange(3))
    assert result.dtype == torch.uint8
    assert result.shape == (3, 3, 1, 2)
    assert (result == result[:, :1]).all()
    assert result[:, 0, 0].tolist() == [[127, 140], [62, 50], [62, 50]]


def test_the_definition_over_a_whole_clip() -> None:
    pixels = torch.randint(0, 256, (9, 3, 5, 6), generator=torch.Generator().manual_seed(0)).byte()
    weights = np.array([0.2989, 0.587, 0.114], np.float32).reshape(1, 3, 1, 1)
    luma = (pixels.numpy().astype(np.float32) * weights).sum(1).astype(np.uint8).astype(float)
    change = luma[:-1] - luma[1:]
    change = np.concatenate([change, change[-1:]])
    expected = np.rint((change + 255) / 2).astype(np.uint8)  # half to even, like torch
    kept = kept_frames(9, 4)
    result = rgb_difference(pixels, kept)
    assert (result.numpy() == expected[kept][:, None]).all()


def test_nothing_moves_in_one_frame_or_in_a_still() -> None:
    one = frames_of(TOY)[:1]
    assert (rgb_difference(one, kept_frames(1, 4)) == 128).all()
    assert (rgb_difference(one.expand(5, -1, -1, -1), kept_frames(5, 3)) == 128).all()


@pytest.mark.parametrize(
    ("native", "kept", "expected"),
    [
        (64, 8, [0, 9, 18, 27, 36, 45, 54, 63]),
        (64, 16, [0, 4, 8, 12, 16, 21, 25, 29, 33, 37, 42, 46, 50, 54, 58, 63]),
        (77, 8, [0, 10, 21, 32, 43, 54, 65, 76]),
        (5, 8, [0, 0, 1, 1, 2, 2, 3, 4]),
    ],
)
def test_kept_frames_are_the_released_codes(native: int, kept: int, expected: list[int]) -> None:
    assert kept_frames(native, kept).tolist() == expected
