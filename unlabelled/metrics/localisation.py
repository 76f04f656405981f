"""Metrics of sound localisation: consensus of annotators, cIoU, success rates over thresholds."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Threshold = Literal["fixed", "median", "rel_max"]
_SLACK = 1e-9  # by rounding, 0.05 * 6 exceeds 0.3
_STEPS = 21


def consensus_map(boxes: Tensor, size: tuple[int, int], agreement: float = 2.0) -> Tensor:
    """Return the agreement of the annotators on each pixel, ``(H, W)`` float64 in 0 to 1.

    Args:
        boxes: ``(annotators, 4)``, ``x0, y0, x1, y1`` as fractions of the frame.
        size: H and W; borders are rounded down, ends are exclusive.
        agreement: Number of annotators that gives the value 1.

    Source: Senocak et al. 2018; hche11/Localizing-Visual-Sounds-the-Hard-Way, utils.py, ``testset_gt``;
        docs/methods/dmc.md#sound-localisation.
    """
    height, width = size
    votes = torch.zeros(height, width, dtype=torch.float64)
    for x0, y0, x1, y1 in boxes.tolist():
        rows = slice(max(0, int(y0 * height)), max(0, int(y1 * height)))
        columns = slice(max(0, int(x0 * width)), max(0, int(x1 * width)))
        votes[rows, columns] += 1.0
    return (votes / agreement).clamp(max=1.0)


def normalised_maps(maps: Tensor) -> Tensor:
    """Scale each map of ``(n, H, W)`` linearly to the range 0 to 1; a constant map becomes 0.

    Raises:
        ValueError: A map holds NaN or infinity.
    """
    refuse_broken(int(broken_maps(maps).sum()), len(maps))
    maps = maps / 2  # the difference of two finite numbers may be too large for the format
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp_min(torch.finfo(maps.dtype).tiny)


def broken_maps(maps: Tensor) -> Tensor:
    """Return a mask ``(n,)`` of the maps ``(n, H, W)`` that hold NaN or infinity."""
    return (~maps.isfinite()).flatten(1).any(1)


def refuse_broken(broken: int, count: int) -> None:
    """Refuse maps if ``broken`` of ``count`` hold NaN or infinity.

    Raises:
        ValueError: There are such maps.
    """
    if broken:
        raise ValueError(
            f"localisation: {broken} of {count} maps hold NaN or infinity; check the checkpoint (has the "
            "training diverged?) and the input data"
        )


def detected(maps: Tensor, threshold: Threshold = "median", level: float = 0.5) -> Tensor:
    """Return a mask ``(n, H, W)`` bool of the pixels above the threshold of each map.

    Args:
        maps: ``(n, H, W)`` in 0 to 1.
        threshold: ``fixed``: above ``level``. ``median``: above the value at sorted index ``level * H * W``,
            so that at 0.5 half of the pixels remain (the convention of Flickr-SoundNet). ``rel_max``: above
            ``level`` times the map's maximum.
        level: See ``threshold``.

    Source: hche11/Localizing-Visual-Sounds-the-Hard-Way, test.py (``median``);
        DTaoo/Discriminative-Sounding-Objects-Localization, music-exp/tools.py (``rel_max``);
        docs/methods/dmc.md#sound-localisation.
    """
    flat = maps.flatten(1)
    if threshold == "fixed":
        return maps > level
    if threshold == "rel_max":
        return maps > level * maps.amax((1, 2), keepdim=True)
    if threshold == "median":
        index = min(int(level * flat.shape[1]), flat.shape[1] - 1)
        return maps > flat.sort(1).values[:, index, None, None]
    raise ValueError(f"threshold={threshold!r}; expected fixed, median or rel_max")


def consensus_iou(claimed: Tensor, consensus: Tensor) -> Tensor:
    """Return the cIoU of each clip, ``(n,)`` float64.

    It is the consensus within the detected pixels, divided by the total consensus plus the number of detected
    pixels that no annotator marked; 0 if no annotator marked a pixel.

    Args:
        claimed: ``(n, H, W)`` bool, the detected pixels.
        consensus: ``(n, H, W)``, from :func:`consensus_map`.

    Source: Senocak et al. 2018; hche11/Localizing-Visual-Sounds-the-Hard-Way, utils.py, ``cal_CIOU``;
        docs/methods/dmc.md#sound-localisation.
    """
    if claimed.shape != consensus.shape:
        raise ValueError(
            f"cIoU: maps of shape {tuple(claimed.shape)} against annotations of shape "
            f"{tuple(consensus.shape)}; resize both to one size"
        )
    gold = consensus.double()
    found = (gold * claimed).sum((1, 2))
    wrong = (claimed & (gold == 0)).sum((1, 2))
    return found / (gold.sum((1, 2)) + wrong).clamp_min(torch.finfo(torch.float64).tiny)


def success_rates(overlaps: Tensor, slack: float = _SLACK) -> Tensor:
    """Return the share of ``overlaps (n,)`` that reach 0, 0.05, ..., 1: ``(21,)`` float64."""
    levels = torch.arange(_STEPS, dtype=torch.float64, device=overlaps.device) * 0.05
    return (overlaps.double()[None] >= levels[:, None] - slack).double().mean(1)


def success_area(overlaps: Tensor, slack: float = _SLACK) -> float:
    """Return the area under the success rates by the trapezoid rule; close to the mean overlap.

    Args:
        overlaps: ``(n,)``, cIoU of each clip.
        slack: Tolerance below a threshold. The published scripts have none, and by rounding miss overlaps
            that equal a threshold.

    Source: hche11/Localizing-Visual-Sounds-the-Hard-Way, test.py; docs/methods/dmc.md#sound-localisation.
    """
    return float(torch.trapezoid(success_rates(overlaps, slack), dx=0.05))
