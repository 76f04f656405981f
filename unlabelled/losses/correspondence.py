"""Whether a sound belongs to a picture: similarity of cluster centres, and losses that rank the true pair."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.clustering.map_clustering import unit


def centre_similarity(audio: Tensor, visual: Tensor) -> Tensor:
    """Return the sum over clusters of the cosines of all pairs, ``(audio clips, pictures)``, in -K to K.

    Cluster k of a sound is compared with cluster k of a picture only.

    Args:
        audio: ``(n, K, D)`` centres.
        visual: ``(m, K, D)`` centres.

    Source: reference dmc.md section 1.6.
    """
    return torch.einsum("ikd,jkd->ij", unit(audio), unit(visual))


def paired_cosines(audio: Tensor, visual: Tensor) -> Tensor:
    """Return the cosine of each cluster's two centres, ``(n, K)``, for n pairs."""
    return (unit(audio) * unit(visual)).sum(-1)


def ranking_hinge(similarities: Tensor, positives: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Return the mean over all negative pairs of what the true pair is short of being ``margin`` better.

    Args:
        similarities: ``(n, m)``, of n anchors with m candidates.
        positives: ``(n,)``, of each anchor with its own.
        negative: ``(n, m)``, whether a pair is a mismatched one.
        margin: K for the summed cosine, 1 for the mean one.

    Source: reference dmc.md section 1.7.
    """
    short = F.relu(margin + similarities - positives[:, None])
    return (short * negative).sum() / negative.sum().clamp_min(1)
