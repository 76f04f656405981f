"""Further losses of MCN: cross-entropy with clusters of the fused feature, and reconstruction.

Source: Chen et al. 2021 (MCN, arXiv:2104.12671); brian7685/Multimodal-Clustering-Network,
train_tri_kmeans.py and model_kmeans_ICCV.py; docs/methods/sspc.md#mcn.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.losses.row_shares import counted_rows, row_shares


def cluster_loss(
    features: Mapping[str, Tensor],
    centroids: Tensor,
    labels: Tensor,
    margin: float = 0.001,
    valid: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """Return the mean over the modalities of the cross-entropy with the cluster of the fused feature.

    Logits are dot products of the features, not normalised, with the centroids; a margin is subtracted from
    the logit of the correct centroid. Computed in float32 at least, also under autocast.

    Args:
        features: ``(B, D)`` by modality, not normalised.
        centroids: ``(K, D)``, without a gradient.
        labels: ``(B,)`` int64, one cluster per clip.
        margin: delta.
        valid: ``(B,)`` bool by modality, True for rows that are not empty: the mean is over these rows of all
            ranks, and 0 for a modality without such rows. ``None``: all rows, equally many on each rank.

    Returns:
        A scalar, in nats.

    Raises:
        ValueError: There is no modality, or one is missing in ``valid``.
    """
    _check("cluster loss", features, valid)
    losses = []
    for modality, rows in features.items():
        dtype = torch.promote_types(rows.dtype, torch.float32)
        if valid is not None:
            rows = counted_rows(rows, valid[modality])
        with torch.autocast(rows.device.type, enabled=False):
            logits = rows.to(dtype) @ centroids.detach().to(dtype).T
            margins = logits.new_full((len(labels), 1), -margin)
            logits = logits.scatter_add(1, labels[:, None], margins)
            losses.append(_mean(F.cross_entropy(logits, labels, reduction="none"), valid, modality))
    return torch.stack(losses).mean()


def reconstruction_loss(
    reconstructions: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    valid: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """Return the squared error, averaged over dimensions and over the batch, summed over modalities.

    Args:
        reconstructions: ``(B, D_m)`` by modality.
        targets: ``(B, D_m)``, inputs of the projections. They receive a gradient, as in the released code;
            the caller may detach them.
        valid: As in :func:`cluster_loss`.

    Returns:
        A scalar, in float32 at least.

    Raises:
        ValueError: There is no modality, a modality is missing in ``valid``, or the shapes differ.
    """
    _check("reconstruction", reconstructions, valid)
    losses = []
    for modality, rows in reconstructions.items():
        target = targets[modality]
        if target.shape != rows.shape:
            raise ValueError(
                f"reconstruction of {modality} is {tuple(rows.shape)} but its target {tuple(target.shape)}; "
                "set the width of its last layer to the encoder's"
            )
        if valid is not None:
            rows, target = (counted_rows(each, valid[modality]) for each in (rows, target))
        dtype = torch.promote_types(rows.dtype, torch.float32)
        losses.append(_mean((rows.to(dtype) - target.to(dtype)).square().mean(1), valid, modality))
    return torch.stack(losses).sum()


def _mean(rows: Tensor, valid: Mapping[str, Tensor] | None, modality: str) -> Tensor:
    return rows.mean() if valid is None else (row_shares(valid[modality]) * rows).sum()


def _check(what: str, features: Mapping[str, Tensor], valid: Mapping[str, Tensor] | None) -> None:
    missing = [modality for modality in features if valid is not None and modality not in valid]
    if not features or missing:
        raise ValueError(
            f"{what}: features are of {list(features)}, masks of {list(valid or [])}; expected one modality "
            "at least, and a mask for each or none at all"
        )
