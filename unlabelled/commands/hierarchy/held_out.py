"""Agreement of methods with held-out samples: trees of one half of the samples, neighbours in the other half.

Ours, docs/methods/shhc.md#agreement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlabelled.commands.hierarchy.pre_clusters import PreClustering, PreClusters, Rows, unit_chunks
from unlabelled.hierarchy.agreement import nearest_rows, neighbour_agreement
from unlabelled.hierarchy.leaves import Leaves, Similarity
from unlabelled.hierarchy.tree import Indices, Tree
from unlabelled.seeding import derive_seed, numpy_generator

FEWEST_ROWS = 20
"""Smallest number of rows whose halves say something about a method."""
NUM_NEIGHBOURS = 5
"""Neighbours of a held-out sample; methods are in nearly the same order with 1 to 20 (docs/results.md)."""
MOST_QUERIES = 2000
"""Largest number of held-out samples whose neighbours are computed."""


@dataclass(frozen=True, eq=False)
class Half:
    """Leaves of one half of the samples, and the samples of the other half.

    Args:
        leaves: The samples of the one half, or their pre-clusters.
        leaf_of: ``(m,)`` the leaf with the closest direction to each held-out sample.
        queries: ``(q,)`` the held-out samples whose neighbours are compared.
        neighbours: ``(q, k)`` their nearest held-out samples.
    """

    leaves: Leaves
    leaf_of: Indices
    queries: Indices
    neighbours: Indices

    @classmethod
    def of(cls, fitted: PreClusters, held_out: Rows, similarity: Similarity, seed: int) -> Half:
        """Place the ``held_out (m, d)`` samples in the leaves of the others, and find their neighbours."""
        unit = np.concatenate([rows.astype(np.float32) for _, rows in unit_chunks(held_out)])
        leaves = fitted.leaves(similarity)
        assert leaves.features is not None  # made from features
        directions = leaves.features.astype(np.float32)
        leaf_of = np.concatenate(
            [(rows @ directions.T).argmax(1) for rows in np.array_split(unit, 1 + len(unit) // 4096)]
        )
        rng = numpy_generator(seed, "held-out queries")
        queries = np.sort(rng.permutation(len(unit))[:MOST_QUERIES])
        return cls(leaves, leaf_of, queries, nearest_rows(unit, queries, NUM_NEIGHBOURS))

    def agreement(self, tree: Tree) -> float:
        """Return the agreement of a tree over the leaves with the held-out samples."""
        return neighbour_agreement(tree, self.leaf_of, self.queries, self.neighbours)


def halves(features: Rows, num_leaves: int, similarity: Similarity, seed: int) -> list[Half]:
    """Return each random half of ``features (n, d)`` with the other one held out; none of few rows.

    Half as many leaves as ``num_leaves`` keep the number of samples per leaf of the whole.
    """
    if len(features) < FEWEST_ROWS:
        return []
    order = numpy_generator(seed, "halves").permutation(len(features))
    parts = [features[np.sort(part)] for part in np.array_split(order, 2)]
    most = max(2, num_leaves // 2)

    def fitted(number: int) -> PreClusters:
        rows = parts[number]
        if len(rows) <= most:
            return PreClusters.of_rows(rows)
        return PreClustering().fit(rows, most, derive_seed(seed, "half", number))

    return [Half.of(fitted(number), parts[1 - number], similarity, seed) for number in range(2)]
