"""Raw inputs as features, against scipy and by hand."""

from __future__ import annotations

import pytest
import torch
from scipy.fft import dct

from unlabelled.encoders import RawAudio, RawImage, RawVideo


def test_pixels_are_averaged() -> None:
    image = torch.arange(48.0).view(1, 3, 4, 4)
    expected = torch.tensor([2.5, 4.5, 10.5, 12.5]).repeat(3) + torch.tensor([0.0, 16, 32]).repeat_interleave(
        4
    )
    torch.testing.assert_close(RawImage(side=2)(image)[0], expected)
    video = torch.stack([image, image + 2], 2)
    torch.testing.assert_close(RawVideo(side=2)(video)[0], expected + 1)
    assert RawVideo().dim == RawVideo()(torch.zeros(2, 3, 4, 40, 40)).shape[1] == 768


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_coefficients_are_scipys(dtype: torch.dtype) -> None:
    spectrogram = torch.randn(2, 1, 24, 9, dtype=dtype, generator=torch.Generator().manual_seed(0))
    encoder = RawAudio(num_coefficients=5)
    features = encoder(spectrogram)
    expected = torch.from_numpy(dct(spectrogram.squeeze(1).numpy(), axis=1, norm="ortho")[:, :5])
    assert features.shape == (2, encoder.dim)
    assert features.dtype == dtype
    torch.testing.assert_close(features, torch.cat([expected.mean(2), expected.std(2, correction=0)], 1))


def test_no_parameters() -> None:
    assert not [*RawAudio().parameters(), *RawImage().parameters(), *RawVideo().buffers()]
