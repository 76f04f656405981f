"""Centroids of rows that are sharded over the ranks, and which of them is nearest."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.clustering.lloyd import Fitted, Lloyd
from unlabelled.clustering.row_blocks import BLOCK_BYTES, RowBlocks
from unlabelled.clustering.sample_rows import gather_on_first, sample_rows
from unlabelled.distributed import all_reduce_sum_, from_first_rank, rank, world_size

_CHUNK = 8192  # rows that are checked at once
_MIN_ROWS = 256  # fewer per product would read all centroids for little
_VECTOR = 16  # float32 numbers that a CPU multiplies at once


def fit_centroids(
    features: Tensor,
    num_clusters: int,
    seed: int,
    spherical: bool = False,
    iterations: int = 20,
    max_points_per_centroid: int = 256,
) -> Tensor:
    """Find k-means centroids of all ranks' rows; see :func:`fit` and :class:`Lloyd` for the arguments.

    Returns:
        ``(K, D)`` float32 on the features' device, equal on all ranks; unit vectors if ``spherical``.
    """
    lloyd = Lloyd(iterations, 1, max_points_per_centroid, spherical)
    return fit(features, num_clusters, seed, lloyd).centroids.to(features.device)


@torch.no_grad()
def fit(features: Tensor, num_clusters: int, seed: int, lloyd: Lloyd) -> Fitted:
    """Let rank 0 find the centroids of all ranks' rows, on a sample of bounded size.

    The sample goes to rank 0 and nowhere else, and only centroids come back: neither memory nor traffic grow
    with the data. A sample that holds all rows gives the same however they are cut into shards.

    Args:
        features: ``(n_local, D)`` floating point; a shard may be empty.
        num_clusters: K, at most the number of rows on all ranks.
        seed: Of the sample and of the first centroids; equal on all ranks.
        lloyd: How to look for them.

    Returns:
        The same on all ranks.

    Raises:
        ValueError: Wrong shape, fewer rows than clusters, or rows that are NaN or infinite; on all ranks.
        RuntimeError: Rank 0 could not find them; on the other ranks (rank 0 raises what went wrong).
    """
    counts = _check(features, num_clusters)
    size = num_clusters * lloyd.max_points_per_centroid
    sample, sizes = sample_rows(features.detach(), counts, size, seed)
    sample = F.normalize(sample.float(), dim=1) if lloyd.spherical else sample.float()
    points = gather_on_first(sample.contiguous(), sizes)
    del sample
    return from_first_rank(lambda: lloyd.run(points, num_clusters, seed, features.device))


def _check(features: Tensor, num_clusters: int) -> list[int]:
    """Return how many rows each rank has."""
    facts = torch.zeros(world_size() + 1, dtype=torch.int64, device=features.device)
    facts[rank()], facts[-1] = len(features), count_bad_rows(features)
    *counts, bad = all_reduce_sum_(facts).tolist()
    check_counts(sum(counts), bad, num_clusters)
    return counts


def count_bad_rows(features: Tensor) -> int:
    """Return how many of ``features (n, D)`` hold NaN or infinity; ValueError if they are no such thing."""
    if features.ndim != 2 or not features.is_floating_point():
        raise ValueError(
            f"k-means: features are {features.dtype} of shape {tuple(features.shape)}, expected "
            "floating point of shape (samples, dimensions)"
        )
    return sum(_bad_rows(part.float()) for part in torch.split(features.detach(), _CHUNK))


def _bad_rows(part: Tensor) -> int:
    # One sum tells that all is well, without an array as large as the rows.
    return 0 if bool(part.sum().isfinite()) else int((~part.isfinite()).any(1).sum())


def check_counts(num_rows: int, num_bad: int, num_clusters: int) -> None:
    """Raise ValueError unless there are clusters, rows enough to fill them, and no bad row."""
    if not 1 <= num_clusters <= num_rows:
        raise ValueError(
            f"k-means: num_clusters is {num_clusters}, expected 1 to {num_rows}, the number of samples"
        )
    if num_bad:
        raise ValueError(
            f"k-means: {num_bad} of {num_rows} rows of the features hold NaN or infinity; check the "
            "checkpoint and the input data"
        )


def nearest_centroid(features: Tensor, centroids: Tensor, spherical: bool = False) -> Tensor:
    """Return which centroid is nearest to each row: ``(n,)`` int64. See :func:`nearest_with_quality`."""
    return nearest_with_quality(features, centroids, spherical)[0]


@torch.no_grad()
def nearest_with_quality(features: Tensor, centroids: Tensor, spherical: bool) -> tuple[Tensor, Tensor]:
    """Return the nearest centroid of each of this rank's rows, and how near it is.

    Blocks of rows are multiplied with the centroids in float32; no array of n x K is ever there.

    Args:
        features: ``(n, D)`` floating point, on the centroids' device.
        centroids: ``(K, D)``.
        spherical: Whether the nearest is the one with the largest cosine, not with the smallest distance.

    Returns:
        ``(n,)`` int64, and ``(n,)`` float32: cosines, or squared distances.
    """
    features, centroids = features.detach(), centroids.detach().float()
    centroids = F.normalize(centroids, dim=1) if spherical else centroids
    # |x - c|^2 = |x|^2 - 2 (x c - |c|^2 / 2)
    offsets = centroids.new_zeros(len(centroids)) if spherical else centroids.square().sum(1) / -2
    spare = -len(centroids) % _VECTOR  # products with whole vectors are up to a quarter faster
    centroids, offsets = F.pad(centroids, (0, 0, 0, spare)), F.pad(offsets, (0, spare), value=-torch.inf)
    labels = torch.empty(len(features), dtype=torch.int64, device=features.device)
    quality = torch.empty(len(features), device=features.device)
    with RowBlocks(len(features), _row_bytes(features, centroids), features.device) as blocks:

        def work(index: int) -> None:
            rows = blocks.slices[index]
            block = features[rows].float()
            best = torch.addmm(offsets, block, centroids.T).max(1)
            labels[rows] = best.indices
            if spherical:
                quality[rows] = best.values / block.norm(dim=1).clamp(min=1e-12)
            else:
                quality[rows] = (block.norm(dim=1).square() - 2 * best.values).clamp(min=0)

        blocks.run(work)
    return labels, quality


def _row_bytes(features: Tensor, centroids: Tensor) -> int:
    """Return what a row and its scores take; on a CPU at most what leaves blocks worth a product."""
    row_bytes = 4 * (features.shape[1] + len(centroids))
    return row_bytes if features.is_cuda else min(row_bytes, BLOCK_BYTES // _MIN_ROWS)
