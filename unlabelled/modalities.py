"""Names of modalities, of fused features of several modalities, and of pairs of features.

``video+audio`` is a fused feature, its parts always in the order text, video, audio; ``text-video+audio`` is
a pair of features that a symmetric loss compares.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import combinations

import torch
from torch import Tensor

MODALITIES = ("text", "video", "audio")


def fused_names(modalities: Collection[str]) -> list[str]:
    """Return the names of all fused features of two of ``modalities``."""
    ordered = [name for name in MODALITIES if name in modalities]
    return ["+".join(pair) for pair in combinations(ordered, 2)]


def parts_of(name: str) -> tuple[str, ...]:
    """Return the modalities of a feature.

    Example:
        >>> parts_of("video+audio")
        ('video', 'audio')

    Raises:
        ValueError: Another modality, or another order.
    """
    parts = tuple(name.split("+"))
    if parts != tuple(known for known in MODALITIES if known in parts):
        raise ValueError(
            f"{name!r} is no feature: expected one or more of {', '.join(MODALITIES)}, in this order and "
            "joined by '+', such as 'video+audio'"
        )
    return parts


def pair_of(name: str) -> tuple[str, str]:
    """Return the two features of a pair.

    Example:
        >>> pair_of("text-video+audio")
        ('text', 'video+audio')

    Raises:
        ValueError: The name has not two features, or a modality is in both.
    """
    features = name.split("-")
    if len(features) != 2 or set(parts_of(features[0])) & set(parts_of(features[1])):
        raise ValueError(
            f"{name!r} is no pair: expected two features without a common modality, joined by '-', such as "
            "'text-video+audio'"
        )
    return features[0], features[1]


def sum_of_present(parts: Sequence[Tensor], nonempty: Sequence[Tensor]) -> Tensor:
    """Return the sum ``(B, D)`` of each sample's features over the modalities that it has.

    The sum is over all modalities for a sample that has none.

    Args:
        parts: Features ``(B, D)`` of each modality.
        nonempty: ``(B,)`` bool for each modality, True for samples that have it.

    Example:
        >>> parts = [torch.tensor([[1.0], [2.0]]), torch.tensor([[10.0], [20.0]])]
        >>> sum_of_present(parts, [torch.tensor([True, True]), torch.tensor([True, False])]).tolist()
        [[11.0], [2.0]]
    """
    return torch.stack(list(parts)).where(_weights(nonempty) > 0, 0.0).sum(0)


def mean_of_present(parts: Sequence[Tensor], nonempty: Sequence[Tensor]) -> Tensor:
    """Return the mean ``(B, D)`` of each sample's features over the modalities that it has.

    The mean is over all modalities for a sample that has none. Shapes as in :func:`sum_of_present`.
    """
    return sum_of_present(parts, nonempty) / _weights(nonempty).sum(0)


def _weights(nonempty: Sequence[Tensor]) -> Tensor:
    """Return ``(modalities, B, 1)``, 1 for the modalities that count."""
    present = torch.stack(list(nonempty))
    return torch.where(present.any(0), present, True).unsqueeze(2).float()


class UnfitDataError(ValueError):
    """Data lack a modality that the configuration learns from.

    Args:
        message: The error in one line, without a hint of what fits.
        holds: Modalities that the data have.
    """

    def __init__(self, message: str, holds: Iterable[str]) -> None:
        super().__init__(message)
        self.holds = frozenset(holds)
