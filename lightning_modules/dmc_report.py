"""Numbers that DMC logs about pairs and clusters."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.clustering.map_clustering import MapClusters
from unlabelled.losses.pair_ranking import Comparison


@torch.no_grad()
def report_of_pairs(comparison: Comparison) -> dict[str, Tensor]:
    """Return mean cosines of true and of mismatched pairs, their gap, and the recall within the batch."""
    wrong = comparison.wrong_sounds
    others = (comparison.pictures * wrong).sum() / wrong.sum().clamp_min(1)
    best = comparison.pictures.masked_fill(~wrong, -torch.inf).amax(1)
    true = comparison.own.mean()
    return {
        "true_cosine": true,
        "wrong_cosine": others,
        "gap": true - others,
        "recall@1": (comparison.own > best).float().mean(),
    }


@torch.no_grad()
def report_of_clusters(clusters: dict[str, MapClusters]) -> dict[str, Tensor]:
    """Return usage of clusters, sharpness of assignments, and change of the objective over the passes.

    Args:
        clusters: By modality; usage is an entropy in nats, at most ln K, sharpness from 1/K to 1.
    """
    report = {}
    for name, part in clusters.items():
        there = part.assignments.sum(1).mean()  # below 1 if positions are masked
        usage = part.assignments.mean((0, 2)) / there
        report[f"usage_entropy/{name}"] = torch.special.entr(usage).sum()
        report[f"sharpness/{name}"] = part.assignments.amax(1).mean() / there
        report[f"objective_change/{name}"] = (part.objective[-1] - part.objective[0]).mean()
    return report
