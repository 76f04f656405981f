"""k-means by cosine over a queue of features, each fit starting from the centroids of the last one (MCN)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlabelled.distributed import broadcast_
from unlabelled.seeding import torch_generator

_CHUNK = 8192  # rows that are compared with all centroids at once


class CosineCentroids(nn.Module):
    """K centroids of the rows of a queue; equal rows on all ranks give equal centroids.

    Args:
        num_centroids: K.
        dim: D.
        iterations: Largest number of updates per fit; they end when no row changes its centroid.
        unit: A centroid is the direction of the mean of its unit rows (spherical k-means); otherwise it is
            the mean of its rows, as in the released code.
        seed: Seed of the first centroids.

    Attributes:
        centroids: ``(K, D)`` float32; zeros before the first fit.
        fitted: Bool tensor, whether there was a fit.

    Raises:
        ValueError: A size is below 1.

    Source: Chen et al. 2021 (MCN, arXiv:2104.12671); brian7685/Multimodal-Clustering-Network,
    train_tri_kmeans.py; docs/methods/sspc.md#mcn.
    """

    centroids: Tensor
    fitted: Tensor

    def __init__(
        self, num_centroids: int, dim: int, iterations: int = 100, unit: bool = False, seed: int = 0
    ) -> None:
        super().__init__()
        if min(num_centroids, dim, iterations) < 1:
            raise ValueError(
                f"CosineCentroids: num_centroids is {num_centroids}, dim {dim} and iterations {iterations}, "
                "expected at least 1 for each"
            )
        self.iterations, self.unit, self.seed = iterations, unit, seed
        self.register_buffer("centroids", torch.zeros(num_centroids, dim))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))
        self._is_fitted: bool | None = False  # None: as in the buffer

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._is_fitted = None

    @property
    def is_fitted(self) -> bool:
        """True after a fit; it is read from the device only after a checkpoint was loaded."""
        if self._is_fitted is None:
            self._is_fitted = bool(self.fitted)
        return self._is_fitted

    @torch.no_grad()
    def fit(self, rows: Tensor) -> None:
        """Fit the centroids to ``rows (n, D)``, first from K random rows, later from the last centroids.

        Raises:
            ValueError: Fewer than K rows, or rows that are NaN or infinite.
        """
        rows = rows.detach().to(self.centroids)
        start = self.centroids if self.is_fitted else self._first(rows)
        self.centroids.copy_(cosine_kmeans(rows, start, self.iterations, self.unit))
        broadcast_(self.centroids)  # sums on GPUs differ in the last bit between ranks
        self.fitted.fill_(True)
        self._is_fitted = True

    def _first(self, rows: Tensor) -> Tensor:
        _check(rows, self.centroids)
        generator = torch_generator("cosine-centroids", self.seed)
        return rows[torch.randperm(len(rows), generator=generator)[: len(self.centroids)].to(rows.device)]

    @torch.no_grad()
    def assign(self, rows: Tensor) -> Tensor:
        """Return the centroid with the largest cosine for each of ``rows (n, D)``, ``(n,)`` int64.

        Raises:
            RuntimeError: There was no fit yet.
        """
        if not self.is_fitted:
            raise RuntimeError("CosineCentroids: there are no centroids yet; call fit first")
        return _nearest(rows.detach().to(self.centroids), self.centroids)[0]


@torch.no_grad()
def cosine_kmeans(rows: Tensor, centroids: Tensor, iterations: int = 100, unit: bool = False) -> Tensor:
    """Return the centroids of Lloyd's algorithm by cosine.

    Empty centroids receive the rows that are farthest from their own centroids: the first empty centroid the
    farthest row, the second one the second farthest, and so on.

    Args:
        rows: ``(n, D)`` floating point, not necessarily normalised.
        centroids: ``(K, D)``, the first centroids.
        iterations: Largest number of updates; they end when no row changes its centroid.
        unit: A centroid is the direction of the mean of its unit rows, instead of the mean of its rows.

    Returns:
        ``(K, D)``.

    Raises:
        ValueError: Fewer than K rows, other dimensions, or rows that are NaN or infinite.
    """
    _check(rows, centroids)
    members = F.normalize(rows, dim=1) if unit else rows
    labels: Tensor | None = None
    for _ in range(iterations):
        previous = labels
        labels, cosines = _nearest(rows, centroids)
        if previous is not None and torch.equal(labels, previous):
            break
        centroids = _update(members, labels, cosines, centroids)
        centroids = F.normalize(centroids, dim=1) if unit else centroids
    return centroids


def _nearest(rows: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best centroid of each row, and its cosine: both ``(n,)``."""
    directions = F.normalize(centroids, dim=1).T
    with torch.autocast(rows.device.type, enabled=False):
        best = [(F.normalize(part, dim=1) @ directions).max(1) for part in torch.split(rows, _CHUNK)]
    return torch.cat([part.indices for part in best]), torch.cat([part.values for part in best])


def _update(members: Tensor, labels: Tensor, cosines: Tensor, centroids: Tensor) -> Tensor:
    """Return the mean of the rows of each centroid; rows given to an empty one are relabelled in place."""
    empty = (torch.bincount(labels, minlength=len(centroids)) == 0).nonzero()[:, 0]
    labels[cosines.argsort(stable=True)[: len(empty)]] = empty
    sums = torch.zeros_like(centroids).index_add_(0, labels, members)
    counts = torch.bincount(labels, minlength=len(centroids))[:, None]
    # A centroid that loses its only row to an empty one stays unchanged.
    return torch.where(counts > 0, sums / counts.clamp(min=1), centroids)


def _check(rows: Tensor, centroids: Tensor) -> None:
    if rows.ndim != 2 or centroids.ndim != 2 or rows.shape[1] != centroids.shape[1]:
        raise ValueError(
            f"cosine k-means: rows are {tuple(rows.shape)} and centroids {tuple(centroids.shape)}, expected "
            "(n, D) and (K, D)"
        )
    if len(rows) < len(centroids):
        raise ValueError(
            f"cosine k-means: {len(rows)} rows cannot fill {len(centroids)} centroids; take fewer centroids, "
            "or wait until the queue holds more"
        )
    bad = int((~rows.norm(dim=1).square().isfinite()).sum())
    if bad:
        raise ValueError(
            f"cosine k-means: {bad} of {len(rows)} rows hold NaN, infinity or numbers whose squares are too "
            "large for the format; look for NaN in the features"
        )
