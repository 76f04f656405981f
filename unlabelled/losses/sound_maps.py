"""Sound localisation from the clusters of an image and its audio."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.clustering.map_clustering import MapClusters, unit
from unlabelled.losses.correspondence import paired_cosines

SoundMap = Literal["best_cluster", "weighted", "distinctive", "cosine"]


class Localised(NamedTuple):
    """Localisation maps of a batch.

    Attributes:
        maps: ``(B, h, w)``, larger at the sound source; only the order of the values matters.
        cluster_maps: ``(B, K, h, w)``, assignments of the positions to the clusters, from 0 to 1.
    """

    maps: Tensor
    cluster_maps: Tensor


def cluster_weights(kind: SoundMap, visual: Tensor, audio: Tensor, typical: Tensor) -> Tensor:
    """Return the weight of the assignments of each cluster in the localisation map, ``(B, K)``.

    ``best_cluster``: 1 for the cluster with the largest cosine of its visual and its audio centre.
    ``weighted``: the positive part of the cosines. ``distinctive``: the positive part of the cosines minus
    the cosines with the ``typical`` centres, as a background cluster has a large cosine with every audio
    track. If no weight is positive, the cluster with the largest value has weight 1, so that no map is
    constant.

    Args:
        kind: See above.
        visual: ``(B, K, D)`` centres.
        audio: ``(B, K, D)`` centres.
        typical: ``(K, D)``, the mean unit audio centres of many clips.

    Source: ours, as the released code has no evaluation; docs/methods/dmc.md#sound-map.
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
    """Return the positive part of ``scores (B, K)``; in rows without positive scores, 1 for the largest."""
    positive = scores.relu()
    return torch.where(positive.any(1, keepdim=True), positive, _best(scores))


def sound_map(
    kind: SoundMap, visual: MapClusters, audio: MapClusters, projected: Tensor, typical: Tensor
) -> Tensor:
    """Return the localisation map of each clip, ``(B, positions)``; only the order of the values matters.

    Args:
        kind: A kind of :func:`cluster_weights`, or ``cosine``: the map is, at each position, the largest
            cosine over the clusters of the projected descriptor with the audio centre.
        visual: Clusters of the images.
        audio: Clusters of the audio tracks.
        projected: ``(B, K, positions, D)``, projected descriptors of the images.
        typical: ``(K, D)``, see :func:`cluster_weights`.

    Source: ours; docs/methods/dmc.md#sound-map.
    """
    if kind == "cosine":
        return torch.einsum("bkpd,bkd->bkp", unit(projected), unit(audio.centres)).amax(1)
    weights = cluster_weights(kind, visual.centres, audio.centres, typical)
    return torch.einsum("bk,bkp->bp", weights, visual.assignments)


def on_grid(values: Tensor, positions: torch.Size) -> Tensor:
    """Reshape ``(..., P)`` to maps ``(..., h, w)``, averaged over the frames of a clip.

    Args:
        values: One number per position.
        positions: ``(h, w)`` or ``(frames, h, w)``.
    """
    maps = values.reshape(*values.shape[:-1], *positions)
    return maps if len(positions) == 2 else maps.mean(-3)
