"""Metrics of the localisation of several sound sources: cIoU by class, and area of silent classes."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.metrics.localisation import consensus_iou, consensus_map, detected


def match_clusters(shares: Tensor) -> Tensor:
    """Return the class of each cluster, ``(K,)`` int64.

    First each class gets one cluster, such that the sum of the shares is largest; each cluster that is left
    gets the class that has the largest share of it.

    Args:
        shares: ``(C, K)``, how much the clips of a class are explained by a cluster; rows are scaled to 1.

    Source: DTaoo/Discriminative-Sounding-Objects-Localization, music-exp/match_cluster.py, which draws a
        million random matchings; docs/methods/dmc.md#several-sound-sources.

    Example:
        >>> match_clusters(torch.tensor([[8.0, 1.0, 1.0], [6.0, 3.0, 1.0]])).tolist()
        [0, 1, 0]
    """
    from scipy.optimize import linear_sum_assignment

    rows = shares.double()
    rows = rows / rows.sum(1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    classes, clusters = linear_sum_assignment(rows.cpu().numpy(), maximize=True)
    found = rows.argmax(0)
    found[torch.from_numpy(clusters).to(found.device)] = torch.from_numpy(classes).to(found.device)
    return found


def class_maps(cluster_maps: Tensor, class_of_cluster: Tensor, num_classes: int) -> Tensor:
    """Return the map of each class, ``(n, C, h, w)``: the largest value over its clusters, 0 without any.

    Args:
        cluster_maps: ``(n, K, h, w)`` in 0 to 1.
        class_of_cluster: ``(K,)`` int64.
        num_classes: C.
    """
    maps = cluster_maps.new_zeros(len(cluster_maps), num_classes, *cluster_maps.shape[2:])
    index = class_of_cluster.view(1, -1, 1, 1).expand_as(cluster_maps)
    return maps.scatter_reduce(1, index, cluster_maps, "amax")


def class_overlap(maps: Tensor, boxes: dict[int, Tensor], level: float) -> float:
    """Return the cIoU of a clip: the mean over its sounding classes, each with the union of its boxes.

    Args:
        maps: ``(C, H, W)`` of all classes; pixels above ``level`` times a map's maximum are claimed.
        boxes: ``(boxes, 4)`` by sounding class, ``x0, y0, x1, y1`` as fractions of the frame.
        level: 0.5 on MUSIC-synthetic, 0.2 on MUSIC-duet.

    Raises:
        ValueError: There is no sounding class.

    Source: DTaoo/Discriminative-Sounding-Objects-Localization, music-exp/eval_duet.py;
        docs/methods/dmc.md#several-sound-sources.
    """
    if not boxes:
        raise ValueError("multi-source localisation: a clip has no sounding class")
    size = (maps.shape[1], maps.shape[2])
    gold = torch.stack([consensus_map(each, size, agreement=1.0) for each in boxes.values()]).to(maps.device)
    claimed = detected(maps[list(boxes)], "rel_max", level)
    return float(consensus_iou(claimed, gold).mean())


def silent_area(maps: Tensor, sounding: list[int], level: float = 0.2) -> float:
    """Return the non-suppressed area score (NSA): the share of pixels at most ``level`` in silent maps.

    Args:
        maps: ``(C, H, W)`` in 0 to 1.
        sounding: The sounding classes; NaN if all are.
        level: A pixel above it is claimed.

    Source: DTaoo/Discriminative-Sounding-Objects-Localization, music-exp/eval_duet.py;
        docs/methods/dmc.md#several-sound-sources.

    Example:
        >>> silent_area(torch.tensor([[[0.9, 0.9]], [[0.1, 0.3]]]), sounding=[0])
        0.5
    """
    silent = torch.ones(len(maps), dtype=torch.bool, device=maps.device)
    silent[sounding] = False
    return float((maps[silent] <= level).double().mean())
