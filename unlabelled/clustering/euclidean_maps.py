"""Soft Euclidean clustering of a map's local descriptors (Simplified DMC)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_NEAREST = 1e-10  # smallest squared distance, as the root has no finite gradient at 0


class MapMeans(NamedTuple):
    """The clusters of the maps of a batch.

    Attributes:
        centres: ``(batch, K, C)``, weighted means of the descriptors.
        assignments: ``(batch, K, positions)``, the weights; their sum over the clusters is 1.
    """

    centres: Tensor
    assignments: Tensor


def euclidean_clusters(
    descriptors: Tensor, num_clusters: int, iterations: int = 4, sharpness: float = 30.0
) -> MapMeans:
    """Assign each position softly to the nearest centre and update the centres, ``iterations`` times.

    The first centres are the descriptors at equal distances in the order of the positions. Runs in float32
    or wider, outside autocast.

    Args:
        descriptors: ``(batch, positions, C)``.
        num_clusters: K; 1: the mean of the positions.
        iterations: Number of passes.
        sharpness: Factor of the distances in the softmax; larger values give harder assignments.

    Raises:
        ValueError: There are fewer positions than clusters.

    Source: DTaoo/Simplified_DMC, model/dmc_model.py; docs/methods/dmc.md#simplified-dmc.

    Example:
        >>> points = torch.tensor([[[0.0, 0.0], [0.2, 0.0], [1.0, 1.0], [1.0, 0.8]]])
        >>> euclidean_clusters(points, 2).centres.round(decimals=3).tolist()
        [[[0.10000000149011612, 0.0], [1.0, 0.8999999761581421]]]
    """
    positions = descriptors.shape[1]
    if positions < num_clusters:
        raise ValueError(f"euclidean clusters: {positions} positions cannot hold {num_clusters} clusters")
    with torch.autocast(descriptors.device.type, enabled=False):
        points = descriptors.to(torch.promote_types(descriptors.dtype, torch.float32))
        centres = points[:, :: positions // num_clusters][:, :num_clusters]
        for _ in range(iterations):
            assignments = F.softmax(-sharpness * distances(centres, points), 1)
            total = assignments.sum(2, keepdim=True)
            means = assignments @ points / total.clamp_min(torch.finfo(total.dtype).tiny)
            centres = torch.where(total > 0, means, centres)  # an empty cluster stays where it is
        return MapMeans(centres, assignments)


def distances(first: Tensor, second: Tensor) -> Tensor:
    """Return the Euclidean distances ``(..., n, m)`` of ``(..., n, C)`` and ``(..., m, C)``."""
    with torch.autocast(first.device.type, enabled=False):
        squares = first.square().sum(-1)[..., :, None] + second.square().sum(-1)[..., None, :]
        return (squares - 2 * first @ second.transpose(-1, -2)).clamp_min(_NEAREST).sqrt()


def nearest_distances(visual: Tensor, audio: Tensor) -> Tensor:
    """Return the norm over the audio centres of the distances to their nearest visual centres, ``(n,)``.

    Args:
        visual: ``(n, K_v, C)`` centres.
        audio: ``(n, K_a, C)`` centres, of the same pairs.
    """
    return distances(audio, visual).amin(2).square().sum(1).sqrt()


def pair_contrast(distance: Tensor, matched: Tensor, margin: float) -> Tensor:
    """Return the contrastive loss of each pair: draw matched pairs together, others apart up to a margin.

    >>> pair_contrast(torch.tensor([3.0, 3.0]), torch.tensor([True, False]), 5.0).tolist()
    [4.5, 2.0]

    Args:
        distance: ``(n,)``, of :func:`nearest_distances`.
        matched: ``(n,)`` bool.
        margin: Distance above which a mismatched pair has no loss.

    Raises:
        ValueError: ``margin`` is not positive and finite.

    Source: DTaoo/Simplified_DMC, location_dmc.py; Hadsell et al. 2006.
    """
    if not 0 < margin < math.inf:
        raise ValueError(f"pair contrast: margin={margin} must be positive and finite")
    return 0.5 * torch.where(matched, distance, (margin - distance).relu()).square()
