"""Evidence for a cluster: the modality that separates it, and classes where there are labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from unlabelled.hierarchy.tree import Floats, Indices, Tree
from unlabelled.metrics.clustering import contingency, normalized_mutual_information, weighted_purity


def modality_shares(
    features: Mapping[str, NDArray[np.float32]], leaf_of: Indices, cluster_of_leaf: Indices
) -> dict[str, Floats]:
    """Return by modality the share ``(L,)`` of the samples of each leaf that it puts into their cluster.

    A modality puts a sample into the method's cluster whose centroid, in this modality alone and without the
    sample, is the nearest.
    """
    clusters = np.unique(cluster_of_leaf, return_inverse=True)[1][leaf_of]
    sizes = np.bincount(leaf_of, minlength=len(cluster_of_leaf))
    return {
        name: np.bincount(leaf_of, _put_right(rows, clusters), len(sizes)) / sizes
        for name, rows in features.items()
    }


def _put_right(rows: NDArray[np.float32], clusters: Indices) -> NDArray[np.bool_]:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(norms > 0, norms, 1)
    sums = np.zeros((clusters.max() + 1, rows.shape[1]))
    np.add.at(sums, clusters, unit)
    cosines = unit @ (sums / np.linalg.norm(sums, axis=1).clip(1e-12)[:, None]).T
    without = sums[clusters] - unit
    own = (unit * without).sum(1) / np.linalg.norm(without, axis=1).clip(1e-12)
    cosines[np.arange(len(unit)), clusters] = -np.inf
    right: NDArray[np.bool_] = (own > cosines.max(1)) & (norms[:, 0] > 0)
    return right


def cut_scores(tree: Tree, leaf_of: Indices, labels: list[str]) -> dict[str, list[float]]:
    """Return NMI and purity of all cuts with the classes of the labelled samples; none without labels.

    Entry i is that of the cut into i + 1 clusters.
    """
    labelled = np.array([bool(label) for label in labels])
    if not labelled.any():
        return {}
    names, classes = np.unique(np.array(labels, dtype=object)[labelled].astype(str), return_inverse=True)
    leaves = torch.from_numpy(leaf_of[labelled])
    table = contingency(leaves, torch.from_numpy(classes), tree.num_leaves, len(names))
    scores: dict[str, list[float]] = {"nmi": [], "purity": []}
    for count in range(1, tree.num_leaves + 1):
        cut = torch.from_numpy(tree.cut(count))
        merged = torch.zeros(count, len(names), dtype=table.dtype).index_add_(0, cut, table)
        scores["nmi"].append(normalized_mutual_information(merged))
        scores["purity"].append(weighted_purity(merged))
    return scores
