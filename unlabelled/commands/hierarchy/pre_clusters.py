"""Pre-clustering: cluster many samples into few balanced clusters, the leaves of a hierarchy.

Source: sHHC paper (ICCV 2023) section 3.1, equations 2 to 6. The paper does not specify the first round;
    k-means
and the scale of the logits are ours: docs/methods/shhc.md#pre-clustering.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unlabelled.clustering.centroids import fit
from unlabelled.clustering.lloyd import Lloyd
from unlabelled.clustering.sinkhorn import SinkhornResult, sinkhorn_knopp
from unlabelled.hierarchy.leaves import Leaves, Similarity
from unlabelled.hierarchy.tree import Floats, Indices

Rows = NDArray[np.float32] | NDArray[np.float64]
_CHUNK = 8192  # rows that are converted to float64 at once
_SMALL = 2**28  # entries up to which the transport problem is solved in float64 (2 GiB)


@dataclass(frozen=True, eq=False)
class PreClusters:
    """The clusters that have samples, as leaves of a hierarchy.

    Args:
        labels: ``(n,)`` the leaf of each sample, from 0 to L - 1.
        clusters: ``(L,)`` the cluster of each leaf; clusters without samples have no leaf.
        counts: ``(L,)`` float64, samples per leaf.
        sums: ``(L, d)`` float64, the sum of the unit vectors of the samples of each leaf.
        directed: ``(L,)`` float64, the number of samples of each leaf that are not zero vectors.
        num_clusters: The number K of clusters.
        report: Iterations and errors of the solvers, by name.
    """

    labels: Indices
    clusters: Indices
    counts: Floats
    sums: Floats
    directed: Floats
    num_clusters: int
    report: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of_labels(
        cls, features: Rows, labels: Indices, num_clusters: int, report: dict[str, float] | None = None
    ) -> PreClusters:
        """Return the leaves for features ``(n, d)`` with cluster numbers ``(n,)`` below ``num_clusters``.

        >>> rows = np.eye(3, dtype=np.float32)
        >>> PreClusters.of_labels(rows, np.array([2, 0, 2]), num_clusters=4).counts.tolist()
        [1.0, 2.0]
        """
        totals = np.bincount(labels, minlength=num_clusters)
        clusters = np.flatnonzero(totals)
        leaf_of = np.full(num_clusters, -1, dtype=np.int64)
        leaf_of[clusters] = np.arange(len(clusters))
        leaves = leaf_of[labels]
        sums = torch.zeros(len(clusters), features.shape[1], dtype=torch.float64)
        directed = np.zeros(len(clusters))
        for begin, unit in unit_chunks(features):
            members = leaves[begin : begin + len(unit)]
            sums.index_add_(0, torch.from_numpy(members), torch.from_numpy(unit))
            directed += np.bincount(members, unit.any(1), len(clusters))
        counts = totals[clusters].astype(np.float64)
        return cls(leaves, clusters, counts, sums.numpy(), directed, num_clusters, report or {})

    @classmethod
    def of_rows(cls, features: Rows) -> PreClusters:
        """Return one leaf for each row of ``features (n, d)``."""
        return cls.of_labels(features, np.arange(len(features)), len(features))

    @property
    def centroids(self) -> Floats:
        """The mean ``(L, d)`` of the unit vectors of the samples of each leaf."""
        return self.sums / self.counts[:, None]

    def leaves(self, similarity: Similarity = "half_cosine") -> Leaves:
        """Return the leaves of a hierarchy: centroids, weighted by their numbers of samples."""
        return Leaves.from_features(self.centroids, similarity, self.counts)

    def medoids(self, features: Rows) -> Indices:
        """Return the sample of each leaf ``(L,)`` that has the largest cosine with the centroid."""
        largest = np.full(len(self.counts), -np.inf)
        medoids = np.zeros(len(self.counts), dtype=np.int64)
        for begin, unit in unit_chunks(features):
            members = self.labels[begin : begin + len(unit)]
            closeness = np.einsum("nd,nd->n", unit, self.sums[members])
            order = np.lexsort((-closeness, members))
            first = order[np.r_[True, np.diff(members[order]) > 0]]
            better = first[closeness[first] > largest[members[first]]]
            largest[members[better]], medoids[members[better]] = closeness[better], begin + better
        return medoids


class PreClustering:
    """k-means on unit rows, then assignment to its centroids by balanced optimal transport.

    The transport plan gives every centroid the same share of the data. The cluster of a sample is the largest
    entry of its row of the plan, so that the sizes of clusters may differ, and clusters may be empty. With a
    sharper plan the sizes are more equal, but more samples are in clusters with little similarity: for
    samples of a tree of Gaussian clusters (3000 samples, 300 pre-clusters) the purity of the leaves is .99
    with ``lambda_=1``, as with k-means alone, and .87 with 20.

    The memory is a matrix n x K in float64; in float32 if it would take more than 2 GiB.

    Args:
        temperature: The divisor of the cosines, which gives the logits.
        lambda_: The inverse strength of the entropy, the power of the probabilities. The paper does not give
            it; SeLaVi (appendix A.2) has 20, for the probabilities of a trained network.
        iterations: Number of iterations of k-means.
        sample: Largest number of rows on which k-means is fitted; every row is assigned.
        tolerance: The relative error of a cluster's share at which the transport stops.
        max_iterations: Largest number of iterations of the transport.
    """

    def __init__(
        self,
        temperature: float = 0.1,
        lambda_: float = 1.0,
        iterations: int = 10,
        sample: int = 50_000,
        tolerance: float = 1e-3,
        max_iterations: int = 200,
    ) -> None:
        if not min(temperature, lambda_) > 0:
            raise ValueError(
                f"PreClustering: temperature={temperature}, lambda_={lambda_}; expected positive numbers"
            )
        self.temperature, self.lambda_, self.iterations = temperature, lambda_, iterations
        self.sample, self.tolerance, self.max_iterations = sample, tolerance, max_iterations

    def fit(self, features: Rows, num_clusters: int, seed: int = 0) -> PreClusters:
        """Cluster ``features (n, d)``, finite and of any norm, into at most ``num_clusters`` < n clusters.

        Raises:
            ImportError: faiss is not installed.
            ValueError: There are not more rows than clusters.
        """
        if not 1 <= num_clusters < len(features):
            raise ValueError(
                f"PreClustering: {num_clusters} clusters of {len(features)} rows; expected fewer clusters "
                "than rows (PreClusters.of_rows makes every row a leaf)"
            )
        unit = _unit_tensor(features)
        per_centroid = max(1, -(-self.sample // num_clusters))
        lloyd = Lloyd(self.iterations, max_points_per_centroid=per_centroid, init="k-means++")
        fitted = fit(unit, num_clusters, seed, lloyd)
        result = self._transport(unit, fitted.centroids)
        report = {
            "kmeans_iterations": float(fitted.iterations),
            "sinkhorn_iterations": float(result.iterations),
            "sinkhorn_error": result.error,
        }
        return PreClusters.of_labels(features, result.labels.numpy(), num_clusters, report)

    def _transport(self, unit: Tensor, centroids: Tensor) -> SinkhornResult:
        scores = unit @ F.normalize(centroids, dim=1).T  # equal to the log-softmax up to a constant per row
        scores *= self.lambda_ / self.temperature
        return sinkhorn_knopp(
            scores.double() if scores.numel() <= _SMALL else scores,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
            overwrite=True,
        )


def unit_chunks(features: Rows) -> Iterator[tuple[int, Floats]]:
    """Yield the first index of a chunk of rows, and its rows ``(m, d)`` of unit norm; zeros stay zeros."""
    for begin in range(0, len(features), _CHUNK):
        rows = features[begin : begin + _CHUNK].astype(np.float64)
        scale = np.abs(rows).max(1, keepdims=True)  # so that squares neither overflow nor underflow
        rows /= np.where(scale > 0, scale, 1)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        yield begin, rows / np.where(norms > 0, norms, 1)


def _unit_tensor(features: Rows) -> Tensor:
    unit = torch.empty(features.shape, dtype=torch.float32)
    for begin, rows in unit_chunks(features):
        unit[begin : begin + len(rows)] = torch.from_numpy(rows)
    return unit
