"""The Dasgupta cost over all samples of trees whose leaves are clusters of samples.

A tree over clusters has no structure within a cluster. Within a cluster, all trees get the same subtree: that
of average linkage, or, for large clusters, a star: one node with all samples as children.

Source: ours, for the paper's Table 3: docs/methods/shhc.md#dasgupta-cost.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from unlabelled.commands.hierarchy.pre_clusters import PreClusters, Rows, unit_chunks
from unlabelled.hierarchy.dasgupta import dasgupta_1x
from unlabelled.hierarchy.leaves import Leaves, Similarity
from unlabelled.hierarchy.linkage import Linkage
from unlabelled.hierarchy.tree import Floats, Tree

logger = logging.getLogger(__name__)
LARGEST_POSITIVE = 20_000
"""Largest number of samples for the sums of ``positive_cosine`` over all pairs, which take O(n^2 d)."""
LARGEST_LINKED = 2_000
"""Largest number of samples of a cluster whose subtree is that of average linkage."""


@dataclass(frozen=True, eq=False)
class SampleCost:
    """The parts of the cost over all samples.

    Args:
        weights: ``(L, L)`` sums of w over the pairs of samples of two leaves; the diagonal is not used.
        counts: ``(L,)`` numbers of samples per leaf.
        within: The cost of all pairs within a leaf, the same for all trees.
        num_stars: Number of leaves whose subtree is a star.
    """

    weights: Floats
    counts: Floats
    within: float
    num_stars: int

    @classmethod
    def of(
        cls,
        features: Rows,
        pre_clusters: PreClusters,
        similarity: Similarity,
        largest_linked: int = LARGEST_LINKED,
    ) -> SampleCost:
        """Return the parts for ``features (n, d)``.

        With ``half_cosine`` this takes O(n d + L^2 d), and O(m^2 d) for each cluster of m samples with a
        linkage.

        Raises:
            ValueError: ``positive_cosine`` of more than 20,000 samples.
        """
        weights = pair_sums(features, pre_clusters, similarity)
        counts = pre_clusters.counts
        within, stars = 0.0, 0
        order = np.argsort(pre_clusters.labels, kind="stable")
        groups = np.split(order, np.cumsum(counts)[:-1].astype(np.int64))
        for leaf, members in enumerate(groups):
            if len(members) > largest_linked:
                within += len(members) * float(weights[leaf, leaf])
                stars += 1
            elif len(members) > 1:
                rows = Leaves.from_features(features[members], similarity)
                within += Linkage("average").fit(rows).report["dasgupta_1x"]
        return cls(weights, counts, within, stars)

    def cost_1x(self, tree: Tree) -> float:
        """Return the cost over all samples of a tree over the leaves; each pair counts once."""
        return dasgupta_1x(tree, self.weights, self.counts) + self.within

    @property
    def completion(self) -> str:
        """The numbers of subtrees of either kind, as text."""
        linked = len(self.counts) - self.num_stars
        stars = f"; {self.num_stars} larger ones as stars" if self.num_stars else ""
        return f"{linked} pre-clusters completed by average linkage{stars}"


def pair_sums(features: Rows, pre_clusters: PreClusters, similarity: Similarity) -> Floats:
    """Return the sums ``(L, L)`` of w over the pairs of samples of two leaves.

    The diagonal has the sums over the pairs within a leaf, each pair once.

    Raises:
        ValueError: ``positive_cosine`` of more than 20,000 samples.
    """
    if similarity == "half_cosine":
        return _half_cosine_sums(pre_clusters)
    if len(features) > LARGEST_POSITIVE:
        raise ValueError(
            f"cost over all samples: {len(features)} samples with positive_cosine, which sums over "
            f"all pairs; expected at most {LARGEST_POSITIVE} (half_cosine has no limit)"
        )
    return _positive_cosine_sums(features, pre_clusters)


def _half_cosine_sums(pre_clusters: PreClusters) -> Floats:
    counts, sums = pre_clusters.counts, pre_clusters.sums
    weights = (np.outer(counts, counts) + sums @ sums.T) / 2
    once = (counts * (counts - 1) + np.square(sums).sum(1) - pre_clusters.directed) / 4
    np.fill_diagonal(weights, once)
    return np.asarray(weights)


def _positive_cosine_sums(features: Rows, pre_clusters: PreClusters) -> Floats:
    labels, num_leaves = pre_clusters.labels, len(pre_clusters.counts)
    order = np.argsort(labels, kind="stable")
    begins = np.searchsorted(labels[order], np.arange(num_leaves))
    unit = np.concatenate([rows for _, rows in unit_chunks(features)])[order]
    weights = np.zeros((num_leaves, num_leaves))
    for begin in range(0, len(unit), 1024):
        rows = np.maximum(unit[begin : begin + 1024] @ unit.T, 0)
        members = labels[order[begin : begin + 1024]]
        firsts = np.flatnonzero(np.r_[True, np.diff(members) > 0])
        weights[members[firsts]] += np.add.reduceat(np.add.reduceat(rows, firsts, 0), begins, 1)
    diagonal = (np.diag(weights) - pre_clusters.directed) / 2  # without the cosine of a sample with itself
    np.fill_diagonal(weights, diagonal)
    return weights
