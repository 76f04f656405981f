"""Lloyd's algorithm in one process; faiss finds the nearest centroids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.clustering.flat_search import FlatSearch, Step, import_faiss
from unlabelled.seeding import derive_seed

Init = Literal["random", "k-means++"]

TILT = 1 / 1024  # relative difference between the halves of a split cluster, as in faiss
_INIT_METHODS = {
    "random": "ClusteringInitMethod_RANDOM",
    "k-means++": "ClusteringInitMethod_KMEANS_PLUS_PLUS",
}


@dataclass(frozen=True)
class Fitted:
    """The result of Lloyd's algorithm.

    Attributes:
        centroids: ``(K, D)`` float32 in host memory.
        iterations: Number of updates.
        splits: Number of times that a centroid without points received half of the largest cluster.
        objective: Sum of squared distances, or of cosines, at the last update.
    """

    centroids: Tensor
    iterations: int
    splits: int
    objective: float


@dataclass(frozen=True)
class Lloyd:
    """Lloyd's algorithm and its settings.

    Args:
        iterations: Largest number of updates of the centroids; they end when no point changes its centroid.
        restarts: Number of runs, of which the one with the best objective is kept.
        max_points_per_centroid: Centroids are found on a random sample of at most K times this many rows.
        spherical: Points and centroids are unit vectors, and a point belongs to the centroid of the largest
            cosine; otherwise centroids are means, and a point belongs to the centroid of the smallest
            distance.
        init: Choice of the first centroids: random points (``random``), or points drawn one after the other
            with a probability proportional to the squared distance from those before (``k-means++``).

    Raises:
        ValueError: A number is below 1, or ``init`` is unknown.
    """

    iterations: int = 20
    restarts: int = 1
    max_points_per_centroid: int = 256
    spherical: bool = False
    init: Init = "random"

    def __post_init__(self) -> None:
        if min(self.iterations, self.restarts, self.max_points_per_centroid) < 1:
            raise ValueError(
                f"k-means: iterations is {self.iterations}, restarts {self.restarts} and "
                f"max_points_per_centroid {self.max_points_per_centroid}, expected at least 1 for each"
            )
        if self.init not in _INIT_METHODS:
            raise ValueError(f"k-means: init={self.init!r}; expected one of {', '.join(_INIT_METHODS)}")

    @torch.no_grad()
    def run(
        self,
        points: Tensor,
        num_clusters: int,
        seed: int,
        device: torch.device,
        start: Tensor | None = None,
    ) -> Fitted:
        """Find ``num_clusters`` centroids of ``points``, at most as many as there are points.

        Args:
            points: ``(n, D)`` float32 in host memory, contiguous and finite; unit vectors if spherical.
            num_clusters: K.
            seed: Seed of the first centroids; those of later restarts are derived from it.
            device: Device of the comparison of points with centroids; the CPU, if faiss has no GPU support.
            start: First centroids ``(K, D)`` of the only run; None: as many runs as there are ``restarts``.

        Raises:
            ImportError: faiss is not installed.
        """
        if start is not None:
            first = F.normalize(start, dim=1) if self.spherical else start
            with FlatSearch(points, num_clusters, self.spherical, device) as search:
                return self.follow(search, first.cpu().contiguous())
        sign = -1 if self.spherical else 1
        # Hashed: with seed + restart, consecutive seeds would have all starts but one in common.
        seeds = [seed, *(derive_seed("k-means", seed, restart) for restart in range(1, self.restarts))]
        firsts = (self.first(points, num_clusters, each) for each in seeds)
        with FlatSearch(points, num_clusters, self.spherical, device) as search:
            return min((self.follow(search, first) for first in firsts), key=lambda run: sign * run.objective)

    def first(self, points: Tensor, num_clusters: int, seed: int) -> Tensor:
        """Choose the first centroids ``(K, D)`` with faiss."""
        faiss = import_faiss()
        solver = faiss.Kmeans(
            points.shape[1],
            num_clusters,
            niter=0,
            seed=seed % 2**31,
            min_points_per_centroid=1,  # suppresses faiss' warning on stdout
            max_points_per_centroid=len(points),
            init_method=getattr(faiss, _INIT_METHODS[self.init]),
            check_input_data_for_NaNs=False,
        )
        solver.train(points.numpy())
        return torch.from_numpy(solver.centroids)

    def follow(self, search: FlatSearch, centroids: Tensor) -> Fitted:
        """Update ``centroids (K, D)`` until no point changes its centroid, or ``iterations`` times."""
        splits, labels = 0, None
        for iteration in range(self.iterations):
            step = search.step(centroids)
            if labels is not None and torch.equal(step.labels, labels):
                return Fitted(centroids, iteration, splits, step.objective)
            centroids, split = _updated(step, centroids)
            centroids = F.normalize(centroids, dim=1) if self.spherical else centroids
            labels, splits = step.labels, splits + split
        return Fitted(centroids, self.iterations, splits, step.objective)


def _updated(step: Step, centroids: Tensor) -> tuple[Tensor, int]:
    """Return the means ``(K, D)``, and the number of empty clusters that received half of the largest one."""
    sizes = step.counts.clone()
    means = torch.where(sizes[:, None] > 0, step.sums / sizes[:, None].clamp(min=1), centroids)
    empty = (sizes == 0).nonzero()[:, 0].tolist()
    tilt = torch.full((centroids.shape[1],), TILT)
    tilt[1::2] *= -1
    for cluster in empty:
        largest = int(sizes.argmax())
        means[cluster], means[largest] = means[largest] * (1 + tilt), means[largest] * (1 - tilt)
        sizes[cluster] = sizes[largest] // 2
        sizes[largest] -= sizes[cluster]
    return means, len(empty)
