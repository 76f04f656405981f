"""Audio-visual correspondence: similarity of cluster centres, and a hinge that ranks the true pair first."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.clustering.map_clustering import unit


def centre_similarity(audio: Tensor, visual: Tensor) -> Tensor:
    """Return the sum over clusters of the cosines of all pairs, ``(n, m)``, in -K to K.

    Audio centre k is compared with visual centre k only.

    Args:
        audio: ``(n, K, D)`` centres.
        visual: ``(m, K, D)`` centres.

    Source: DTaoo/DMC, models/dmc_model_av.py; docs/methods/dmc.md#similarity.
    """
    return torch.einsum("ikd,jkd->ij", unit(audio), unit(visual))


def paired_cosines(audio: Tensor, visual: Tensor) -> Tensor:
    """Return the cosine of each cluster's two centres, ``(n, K)``, for n pairs."""
    return (unit(audio) * unit(visual)).sum(-1)


def ranking_hinge(similarities: Tensor, positives: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Return the mean hinge loss of all negative pairs, ``max(0, margin + negative - positive)``.

    Args:
        similarities: ``(n, m)``, of n anchors with m candidates.
        positives: ``(n,)``, of each anchor with its own candidate.
        negative: ``(n, m)``, True for mismatched pairs.
        margin: As in the released code K for summed cosines, which is 1 for mean cosines.

    Source: DTaoo/DMC, models/dmc_model_av.py; docs/methods/dmc.md#loss.
    """
    hinge = F.relu(margin + similarities - positives[:, None])
    return (hinge * negative).sum() / negative.sum().clamp_min(1)
