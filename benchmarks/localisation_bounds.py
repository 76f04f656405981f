"""Bounds of sound localisation on the garments: the overlap of the garments' outlines with their boxes.

    python benchmarks/localisation_bounds.py [--frames 20]

Prints mean cIoU and the share of frames with 0.5 or more, over held-out photographs in frames of both sets of
garments, of: the exact outline of each garment; the outline averaged over 12x12 and 8x8 positions, as a
network with maps of that size could return it at best, scaled up and above half of its range; and the box in
the centre with the mean size of the boxes, which callbacks.Localisation reports too.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from unlabelled.data.real import get_fashion_mnist
from unlabelled.data.synthetic.composed import GarmentsSet, SmallGarmentsSet
from unlabelled.data.synthetic.composed.video import Sprite, box, place, warp
from unlabelled.metrics.localisation import consensus_iou, consensus_map, detected, normalised_maps

SIZE = (224, 224)
GRIDS = (12, 8)


def frames(source: GarmentsSet, count: int) -> list[tuple[Tensor, Tensor]]:
    """Draw ``count`` frames of each class; return opacity ``(1, 1, H, W)`` and box of each garment."""
    rng = np.random.default_rng(0)
    drawn = []
    for label in range(len(source.classes)):
        for _ in range(count):
            size = source.style.sizes[int(rng.integers(len(source.style.sizes)))]
            image = source.image(rng, label, "test")
            placement = place(rng, source.style, size, rng.uniform(0, 4, 1))
            opacity = warp(Sprite(image, placement), slice(0, 1), size)[:, 3:]
            drawn.append((opacity, torch.tensor(box(image, placement, 0, size))))
    return drawn


def overlaps(drawn: list[tuple[Tensor, Tensor]]) -> dict[str, list[float]]:
    """Return the cIoU of each frame, by what is compared with the boxes."""
    boxes = torch.stack([each for _, each in drawn])
    half = (boxes[:, 2:] - boxes[:, :2]).mean(0) / 2
    centred = consensus_map(torch.cat([0.5 - half, 0.5 + half])[None], SIZE, 1.0)[None] > 0
    found: dict[str, list[float]] = defaultdict(list)
    for opacity, edges in drawn:
        truth = consensus_map(edges[None], SIZE, 1.0)[None]
        outline = F.interpolate(opacity, SIZE, mode="bilinear")
        claims = {"outline": outline[:, 0] > 0.5}
        for grid in GRIDS:
            coarse = F.interpolate(F.adaptive_avg_pool2d(outline, grid), SIZE, mode="bilinear")[:, 0]
            claims[f"outline, {grid}x{grid}"] = detected(normalised_maps(coarse), "fixed", 0.5)
        for name, claimed in {**claims, "centred box": centred}.items():
            found[name].append(float(consensus_iou(claimed, truth)))
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=20, help="of each class")
    parser.add_argument("--real_root", default="data/real", help="folder of the photographs (make real-data)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    photographs = get_fashion_mnist(args.real_root).path
    columns = {
        each.name: overlaps(frames(each(photographs, ""), args.frames))
        for each in (GarmentsSet, SmallGarmentsSet)
    }
    print("\n| mean cIoU / 0.5 or more | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
    for name in next(iter(columns.values())):
        cells = [np.array(column[name]) for column in columns.values()]
        print(f"| {name} | " + " | ".join(f"{c.mean():.3f} / {(c >= 0.5).mean():.3f}" for c in cells) + " |")


if __name__ == "__main__":
    main()
