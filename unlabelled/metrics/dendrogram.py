"""Agreement of the levels of a tree with classes.

All functions take a table ``(K, C)`` that counts the samples of cluster or leaf k (row) and class c (column).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unlabelled.hierarchy.tree import Tree
from unlabelled.metrics.clustering import (
    adjusted_rand_index,
    mean_max_purity,
    normalized_mutual_information,
    weighted_purity,
)


def dendrogram_purity(tree: Tree, table: Tensor) -> float:
    """Return the mean over all pairs of samples of one class of that class's share under their ancestor.

    The ancestor is the lowest common one of the two leaves, or the leaf of both samples. The purity is 1 if
    each class is a subtree, and about the mean share of a class for a random tree. Exact, in O(L C).

    Args:
        tree: Tree over L leaves.
        table: ``(L, C)`` counts.

    Returns:
        The purity from 0 to 1; NaN if no class has two samples, so that there are no pairs.

    Raises:
        ValueError: The table has another shape.

    Source: Heller and Ghahramani 2005, section 4.1.
    """
    if table.ndim != 2 or len(table) != tree.num_leaves:
        raise ValueError(
            f"dendrogram purity: the table has shape {tuple(table.shape)}, expected ({tree.num_leaves}, "
            "classes), a row per leaf of the tree"
        )
    counts = table.to("cpu", torch.float64).numpy()
    inner = np.empty((len(tree.merges), counts.shape[1]))
    counts, pairs = np.concatenate([counts, inner]), np.concatenate([counts * (counts - 1) / 2, inner])
    for node, (left, right) in enumerate(tree.merges.tolist(), start=tree.num_leaves):
        np.multiply(counts[left], counts[right], out=pairs[node])
        np.add(counts[left], counts[right], out=counts[node])
    if not pairs.any():
        return float("nan")
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return float((pairs * shares).sum() / pairs.sum())


def merged_rows(table: Tensor, labels: Tensor) -> Tensor:
    """Return the table ``(groups, C)`` of groups of rows; for groups of columns pass the transpose.

    Args:
        table: ``(K, C)`` counts.
        labels: ``(K,)`` integer, the group of each row, from 0; -1: no group, only for rows without samples.

    Raises:
        ValueError: A row without a group has samples, or there is not one label per row.
    """
    if labels.shape != table.shape[:1]:
        raise ValueError(f"merging rows: labels of shape {tuple(labels.shape)} for {len(table)} rows")
    labels = labels.to(table.device)
    grouped = labels >= 0
    if int(lost := table[~grouped].sum()) > 0:
        raise ValueError(
            f"merging rows: {lost} samples are in rows of no group, such as clusters that are not leaves of "
            "a tree; the scores of the method must be minus infinity for those, and not NaN"
        )
    merged = table.new_zeros(int(labels.max()) + 1, table.shape[1])
    return merged.index_add_(0, labels[grouped], table[grouped])


def level_scores(table: Tensor) -> dict[str, float]:
    """Return the agreement of clusters with classes, by :data:`LEVEL_MEASURES`.

    Args:
        table: ``(K, C)`` counts.

    Source: sHHC paper (ICCV 2023) section 5.4; NMI, ARI and mean purity as in SeLaVi, appendix A.4, equations
    8, 9 and 11; docs/methods/shhc.md#evaluation-protocols.
    """
    return {name: measure(table) for name, measure in _MEASURES.items()}


_MEASURES = {
    "nmi": normalized_mutual_information,
    "ari": adjusted_rand_index,
    "purity": mean_max_purity,
    "weighted_purity": weighted_purity,
}
LEVEL_MEASURES = tuple(_MEASURES)
"""Names of the scores of one level: NMI, ARI, and the purity averaged over clusters and over samples."""
