"""Raw inputs as features, the baselines that an encoder has to beat: pixels, and cepstral coefficients."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.encoders.base import Encoder


class RawImage(Encoder):
    """The pixels of an image, averaged to a small square; there are no parameters.

    Args:
        side: Pixels of each side; D is ``3 * side ** 2``.
    """

    modality = "image"

    def __init__(self, side: int = 16) -> None:
        super().__init__()
        self.side, self.dim = side, 3 * side**2

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 3, H, W)`` to ``(batch, D, 1)``."""
        return F.adaptive_avg_pool2d(inputs, self.side).flatten(1).unsqueeze(2)


class RawVideo(RawImage):
    """The pixels of a clip, averaged over time and to a small square; there are no parameters.

    Args:
        side: Pixels of each side; D is ``3 * side ** 2``.
    """

    modality = "video"

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 3, T, H, W)`` to ``(batch, D, 1)``."""
        return super().feature_maps(inputs.mean(2))


class RawAudio(Encoder):
    """Mel-frequency cepstral coefficients: their mean and standard deviation over time; no parameters.

    The coefficients are the orthonormal discrete cosine transform (type II) of each frame of a log-mel
    spectrogram. The first one, the level, is part of them.

    Args:
        num_coefficients: Number of coefficients; D is twice that.
    """

    modality = "audio"

    def __init__(self, num_coefficients: int = 20) -> None:
        super().__init__()
        self.num_coefficients, self.dim = num_coefficients, 2 * num_coefficients

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 1, F, T)`` to ``(batch, D, 1)``."""
        coefficients = torch.einsum("kf,bft->bkt", self._cosines(inputs), inputs.squeeze(1))
        statistics = [coefficients.mean(2), coefficients.std(2, correction=0)]
        return torch.cat(statistics, 1).unsqueeze(2)

    def _cosines(self, inputs: Tensor) -> Tensor:
        """Return the rows of the transform ``(num_coefficients, F)``."""
        bands = inputs.shape[-2]
        place = torch.arange(bands, dtype=inputs.dtype, device=inputs.device) + 0.5
        order = torch.arange(self.num_coefficients, dtype=inputs.dtype, device=inputs.device)
        rows = torch.cos(math.pi / bands * order.unsqueeze(1) * place) * math.sqrt(2 / bands)
        rows[0] /= math.sqrt(2)
        return rows
