"""Masks of spectrograms."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from unlabelled.transforms.checks import check_at_least

_FREQUENCY, _TIME = -2, -1


class SpectrogramMasks:
    """SpecAugment without time warping: stripes of frequencies and of time are set to one value.

    The width of a stripe is uniform from 0 to its limit, excluded, and rounded down; its position is uniform.
    torchaudio's masks are not used, as they draw from torch's global generator.

    Args:
        frequency: Limit of the width in filters.
        time: Limit of the width in frames.
        num_frequency: Number of stripes of frequencies.
        num_time: Number of stripes of time. GDT's mild masks: limits 2 and 5, one each; medium: 3 and 6, one
            each; heavy: 3 and 6, two each.
        value: Value of the stripes: the mean of the spectrograms, 0 if they are normalised.

    Raises:
        ValueError: A number is negative.

    Source: Park et al. 2019 (arXiv:1904.08779); facebookresearch/GDT, datasets/spec_augment_pytorch.py;
    docs/methods/selavi.md#gdt.
    """

    def __init__(
        self, frequency: int = 3, time: int = 6, num_frequency: int = 1, num_time: int = 1, value: float = 0.0
    ) -> None:
        check_at_least(self, 0, frequency=frequency, time=time)
        check_at_least(self, 0, num_frequency=num_frequency, num_time=num_time)
        self.value = value
        self.stripes = [(_FREQUENCY, frequency)] * num_frequency + [(_TIME, time)] * num_time

    def __call__(self, spectrogram: Tensor, rng: np.random.Generator) -> Tensor:
        """Return a masked copy of ``spectrogram (1, F, T)``."""
        masked = spectrogram.clone()
        for axis, limit in self.stripes:
            size = masked.shape[axis]
            width = min(int(rng.uniform(0, limit)), size)
            masked.narrow(axis, int(rng.integers(0, size - width, endpoint=True)), width).fill_(self.value)
        return masked
