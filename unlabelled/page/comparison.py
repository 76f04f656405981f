"""Comparison of the clusters of a page with those of another run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unlabelled.hierarchy.tree import Indices, Tree
from unlabelled.metrics.clustering import adjusted_rand_index, contingency, normalized_mutual_information
from unlabelled.page.cluster_tree import fine_tree
from unlabelled.page.samples import Samples


@dataclass(frozen=True, eq=False)
class OtherRun:
    """The clusters of another run for the n samples of a page.

    Args:
        title: The name of the run.
        clusters: ``(n,)`` its clusters, numbered from 0 as on its own page; -1: it has no such sample.
    """

    title: str
    clusters: Indices


def other_run(
    samples: Samples, title: str, other: Samples, joint: NDArray[np.float32], seed: int = 0
) -> OtherRun:
    """Find the samples of a page in another run.

    A sample is the same if file and start are.

    Args:
        samples: Those of the page.
        title: The name of the other run.
        other: Its samples.
        joint: ``(m, D)`` their joint features, by which its page orders the clusters.
        seed: As of its page.

    Raises:
        ValueError: The runs have no sample in common.
    """
    fine = fine_tree(joint, other.clusters, 4 * len(np.unique(other.clusters)), seed)
    numbers = fine.tree.cut(fine.num_clusters)[fine.leaf_of]
    number_of = dict(zip(_keys(other), numbers.tolist(), strict=True))
    clusters = np.array([number_of.get(key, -1) for key in _keys(samples)], np.int64)
    if (clusters < 0).all():
        raise ValueError(f"--compare {title}: it has none of the files of this page, by path and start")
    return OtherRun(title, clusters)


def _keys(samples: Samples) -> list[tuple[str, float]]:
    starts = np.round(samples.starts, 3).tolist()
    return [(os.path.abspath(path), start) for path, start in zip(samples.paths, starts, strict=True)]


def comparison(tree: Tree, leaf_of: Indices, other: OtherRun) -> dict[str, Any]:
    """Return the data of the view: clusters of the other run, and NMI and ARI with them at all cuts.

    Entry i of a score is that of the cut into i + 1 clusters.
    """
    known = other.clusters >= 0
    clusters = torch.from_numpy(other.clusters[known])
    count = int(clusters.max()) + 1
    table = contingency(torch.from_numpy(leaf_of[known]), clusters, tree.num_leaves, count)
    scores: dict[str, list[float]] = {"nmi": [], "ari": []}
    for number in range(1, tree.num_leaves + 1):
        cut = torch.from_numpy(tree.cut(number))
        merged = torch.zeros(number, count, dtype=table.dtype).index_add_(0, cut, table)
        scores["nmi"].append(round(normalized_mutual_information(merged), 4))
        scores["ari"].append(round(adjusted_rand_index(merged), 4))
    return {"title": other.title, "clusters": other.clusters.tolist(), **scores}
