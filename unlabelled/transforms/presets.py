"""The augmentations of the SCE paper.

Source: SCE Table 1 (weak to strong-gamma) and Table 15 (colour strength); docs/methods/sce.md#augmentations.
"""

from __future__ import annotations

from unlabelled.transforms.augmentation import Augmentation
from unlabelled.transforms.checks import check_at_least


class Weak(Augmentation):
    """Flip with probability 0.5."""

    def __init__(self) -> None:
        super().__init__(jitter=0.0)


class Strong(Augmentation):
    """Augmentation of MoCo v2: jitter 0.4/0.4/0.4/0.1, greyscale, blur with probability 0.5."""

    def __init__(self) -> None:
        super().__init__(0.8, 0.4, 0.4, 0.4, 0.1, greyscale=0.2, blur=0.5)


class _Coloured(Augmentation):
    """Jitter in proportion to ``strength``, as in BYOL."""

    def __init__(self, strength: float, blur: float, solarize: float) -> None:
        check_at_least(self, 0, strength=strength)
        amounts = 0.8 * strength, 0.8 * strength, 0.4 * strength, 0.2 * strength
        super().__init__(0.8, *amounts, greyscale=0.2, blur=blur, solarize=solarize)


class StrongAlpha(_Coloured):
    """Blur with probability 1, no solarization.

    Args:
        strength: S: brightness and contrast 0.8 S, saturation 0.4 S, hue 0.2 S.

    Raises:
        ValueError: ``strength`` is negative or above 2.5, a shift of hue by half a circle.
    """

    def __init__(self, strength: float = 0.5) -> None:
        super().__init__(strength, blur=1.0, solarize=0.0)


class StrongBeta(_Coloured):
    """Blur with probability 0.1, solarization with 0.2; see :class:`StrongAlpha`."""

    def __init__(self, strength: float = 0.5) -> None:
        super().__init__(strength, blur=0.1, solarize=0.2)


class StrongGamma(_Coloured):
    """Blur with probability 0.5, solarization with 0.2; see :class:`StrongAlpha`."""

    def __init__(self, strength: float = 0.5) -> None:
        super().__init__(strength, blur=0.5, solarize=0.2)
