"""Where in a picture a sound comes from, by the clusters of both."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.clustering.map_clustering import MapClusters, unit
from unlabelled.losses.correspondence import paired_cosines

SoundMap = Literal["best_cluster", "weighted", "distinctive", "cosine"]


class Localised(NamedTuple):
    """Where the sounds of a batch come from.

    Attributes:
        maps: ``(B, h, w)``, larger where the sound comes from; only the order of the values matters.
        cluster_maps: ``(B, K, h, w)``, how much each place belongs to each cluster, from 0 to 1.
    """

    maps: Tensor
    cluster_maps: Tensor


def cluster_weights(kind: SoundMap, visual: Tensor, audio: Tensor, typical: Tensor) -> Tensor:
    """Return how much each cluster's assignments say about the place of the sound, ``(B, K)``.

    ``best_cluster``: 1 for the cluster with the largest cosine between the picture's and the sound's centre.
    ``weighted``: the cosines themselves, where they are positive. ``distinctive``: by how much they exceed
    those with the ``typical`` sound. Where none is positive, the largest counts alone: no map is blank. A
    cluster of background agrees with every sound; it has a large cosine, which says nothing about where this
    one comes from.

    Args:
        kind: See there.
        visual: ``(B, K, D)`` centres.
        audio: ``(B, K, D)`` centres.
        typical: ``(K, D)``, the mean of the unit centres of many sounds.

    Source: reference dmc.md section 3.3; ``distinctive`` is ours.
    """
    cosines = paired_cosines(audio, visual)
    if kind == "best_cluster":
        return _best(cosines)
    if kind == "weighted":
        return _positive_part(cosines)
    if kind == "distinctive":
        return _positive_part(cosines - (unit(visual) * typical).sum(-1))
    raise ValueError(f"sound map {kind!r}; expected best_cluster, weighted, distinctive or cosine")


def _best(scores: Tensor) -> Tensor:
    return F.one_hot(scores.argmax(1), scores.shape[1]).to(scores.dtype)


def _positive_part(scores: Tensor) -> Tensor:
    """Return ``scores (B, K)`` where they are positive; the largest alone in rows without any."""
    positive = scores.relu()
    return torch.where(positive.any(1, keepdim=True), positive, _best(scores))


def sound_map(
    kind: SoundMap, visual: MapClusters, audio: MapClusters, projected: Tensor, typical: Tensor
) -> Tensor:
    """Return where in the pictures the sounds come from, ``(B, positions)``; only its order matters.

    Args:
        kind: One of :func:`cluster_weights`, or ``cosine``: of each place the largest cosine, over the
            clusters, of its projected descriptor with the sound's centre.
        visual: Clusters of the pictures.
        audio: Clusters of the sounds.
        projected: ``(B, K, positions, D)``, the pictures' descriptors in the clusters' subspaces.
        typical: ``(K, D)``, see there.

    Source: reference dmc.md section 3.3.
    """
    if kind == "cosine":
        return torch.einsum("bkpd,bkd->bkp", unit(projected), unit(audio.centres)).amax(1)
    weights = cluster_weights(kind, visual.centres, audio.centres, typical)
    return torch.einsum("bk,bkp->bp", weights, visual.assignments)


def on_grid(values: Tensor, positions: torch.Size) -> Tensor:
    """Give ``(..., P)`` the shape of the maps, ``(..., h, w)``; over the frames of a clip the mean is taken.

    Args:
        values: One number per place.
        positions: ``(h, w)`` or ``(frames, h, w)``.
    """
    maps = values.reshape(*values.shape[:-1], *positions)
    return maps if len(positions) == 2 else maps.mean(-3)
