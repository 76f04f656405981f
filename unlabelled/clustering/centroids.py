"""k-means centroids of rows that are sharded over the ranks, and the nearest centroid of each row."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from unlabelled.clustering.lloyd import TILT, Fitted, Lloyd
from unlabelled.clustering.row_blocks import BLOCK_BYTES, RowBlocks
from unlabelled.distributed import all_reduce_sum_, from_first_rank, rank, world_size
from unlabelled.seeding import numpy_generator

_CHUNK = 8192  # rows that are checked at once
_GATHERED_ROWS = 1024  # rows of each rank that are sent at once
_MIN_ROWS = 256  # per product; with fewer, reading the centroids takes most of the time
_VECTOR = 16  # float32 numbers that a CPU multiplies at once


def fit_centroids(
    features: Tensor,
    num_clusters: int,
    seed: int,
    spherical: bool = False,
    iterations: int = 20,
    max_points_per_centroid: int = 256,
) -> Tensor:
    """Find k-means centroids of the rows of all ranks; for the arguments see :func:`fit` and :class:`Lloyd`.

    Returns:
        ``(K, D)`` float32 on the features' device, equal on all ranks; unit vectors if ``spherical``.

    Raises:
        ValueError: As :func:`fit`.
    """
    lloyd = Lloyd(iterations, 1, max_points_per_centroid, spherical)
    return fit(features, num_clusters, seed, lloyd).centroids.to(features.device)


@torch.no_grad()
def fit(features: Tensor, num_clusters: int, seed: int, lloyd: Lloyd, start: Tensor | None = None) -> Fitted:
    """Find the centroids of the rows of all ranks on rank 0, from a sample of bounded size.

    The sample is sent to rank 0 only, which returns the centroids: memory and traffic do not grow with the
    data. If the sample holds all rows, the result does not depend on how they are divided into shards.

    Args:
        features: ``(n_local, D)`` floating point; a shard may be empty.
        num_clusters: K, at most the number of rows on all ranks.
        seed: Seed of the sample and of the first centroids; equal on all ranks.
        lloyd: The algorithm and its settings.
        start: First centroids ``(K, D)``, equal on all ranks; None: chosen by ``seed``.

    Returns:
        The centroids and the course of the search, equal on all ranks.

    Raises:
        ValueError: Wrong shape, fewer rows than clusters, or rows that are NaN or infinite; on all ranks.
        RuntimeError: On the other ranks, if rank 0 raises an error.
    """
    counts = _check(features, num_clusters)
    size = num_clusters * lloyd.max_points_per_centroid
    sample, sizes = sample_rows(features.detach(), counts, size, seed)
    sample = F.normalize(sample.float(), dim=1) if lloyd.spherical else sample.float()
    points = gather_on_first(sample.contiguous(), sizes)
    del sample
    return from_first_rank(lambda: lloyd.run(points, num_clusters, seed, features.device, start))


@torch.no_grad()
def means_by_label(features: Tensor, labels: Tensor, num_clusters: int) -> Tensor:
    """Return the mean of the rows of each label, over all ranks; of labels without rows, near the largest.

    Args:
        features: ``(n_local, D)`` floating point.
        labels: ``(n_local,)`` int64; rows with -1 are left out. At least one row of some rank has a label.
        num_clusters: K.

    Returns:
        ``(K, D)`` float32, computed in float64, equal on all ranks.
    """
    known = labels >= 0
    sums = features.new_zeros(num_clusters, features.shape[1] + 1, dtype=torch.float64)
    rows = F.pad(features[known].double(), (0, 1), value=1.0)  # the last column counts
    all_reduce_sum_(sums.index_add_(0, labels[known], rows))
    counts = sums[:, -1:]
    means = sums[:, :-1] / counts.clamp(min=1)
    return torch.where(counts > 0, means, means[counts.argmax()] * (1 + TILT)).float()


def _check(features: Tensor, num_clusters: int) -> list[int]:
    """Return the number of rows of each rank."""
    sizes = torch.zeros(world_size() + 1, dtype=torch.int64, device=features.device)
    sizes[rank()], sizes[-1] = len(features), count_bad_rows(features)
    *counts, bad = all_reduce_sum_(sizes).tolist()
    check_counts(sum(counts), bad, num_clusters)
    return counts


def count_bad_rows(features: Tensor) -> int:
    """Return the number of rows of ``features (n, D)`` whose squared norm is no finite float32 number.

    Raises:
        ValueError: The features are not floating point or not 2-D.
    """
    if features.ndim != 2 or not features.is_floating_point():
        raise ValueError(
            f"k-means: features are {features.dtype} of shape {tuple(features.shape)}, expected "
            "floating point of shape (samples, dimensions)"
        )
    bad = 0
    for part in torch.split(features.detach(), _CHUNK):
        squares = part.float().norm(dim=1).square()
        bad += int((~squares.isfinite()).sum())
    return bad


def check_counts(num_rows: int, num_bad: int, num_clusters: int) -> None:
    """Raise ValueError unless there is at least one cluster, a row for each cluster, and no bad row."""
    if not 1 <= num_clusters <= num_rows:
        raise ValueError(
            f"k-means: num_clusters is {num_clusters}, expected 1 to {num_rows}, the number of samples"
        )
    if num_bad:
        raise ValueError(
            f"k-means: {num_bad} of {num_rows} rows of the features hold NaN, infinity or numbers whose "
            "squares are too large for float32; check the checkpoint and the input data"
        )


def nearest_centroid(features: Tensor, centroids: Tensor, spherical: bool = False) -> Tensor:
    """Return the nearest centroid of each row, ``(n,)`` int64; see :func:`nearest_with_quality`."""
    return nearest_with_quality(features, centroids, spherical)[0]


@torch.no_grad()
def nearest_with_quality(features: Tensor, centroids: Tensor, spherical: bool) -> tuple[Tensor, Tensor]:
    """Return the nearest centroid of each of this rank's rows, and the cosine or squared distance to it.

    Blocks of rows are multiplied with the centroids in float32; no array of n x K is allocated.

    Args:
        features: ``(n, D)`` floating point, on the centroids' device.
        centroids: ``(K, D)``.
        spherical: Nearest means the largest cosine instead of the smallest distance.

    Returns:
        ``(n,)`` int64, and ``(n,)`` float32: cosines, or squared distances.

    Raises:
        ValueError: Rows or centroids are not finite, or their products too large for float32.
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
    if not bool(quality.isfinite().all()):
        raise ValueError(
            "nearest centroid: features or centroids hold NaN, infinity or numbers whose squares are too "
            "large for float32; check the checkpoint and the input data"
        )
    return labels, quality


def _row_bytes(features: Tensor, centroids: Tensor) -> int:
    """Return the bytes of a row and its scores; on a CPU at most so many that a block has _MIN_ROWS rows."""
    row_bytes = 4 * (features.shape[1] + len(centroids))
    return row_bytes if features.is_cuda else min(row_bytes, BLOCK_BYTES // _MIN_ROWS)


def sample_rows(rows: Tensor, counts: Sequence[int], size: int, seed: int) -> tuple[Tensor, list[int]]:
    """Choose ``size`` rows at random from those of all ranks, or all rows if there are fewer.

    All rows are equally likely, and the choice does not depend on how the rows are divided into shards.

    Args:
        rows: ``(n_local, D)``.
        counts: Number of rows of each rank.
        size: Number of rows to choose.
        seed: Equal on all ranks.

    Returns:
        The chosen rows of this rank ``(m_local, D)``, in their order, and the number of chosen rows of each
        rank.
    """
    starts = [0, *accumulate(counts)]
    if starts[-1] <= size:
        return rows, list(counts)
    chosen = draw_rows(starts[-1], size, seed)
    bounds = np.searchsorted(chosen, starts)
    own = chosen[bounds[rank()] : bounds[rank() + 1]] - starts[rank()]
    return rows[torch.from_numpy(own).to(rows.device)], np.diff(bounds).tolist()


def draw_rows(num_rows: int, size: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw ``size`` different numbers below ``num_rows``, ascending; memory is O(size)."""
    generator = numpy_generator("sample of rows", seed)
    return np.sort(generator.choice(num_rows, size, replace=False, shuffle=False))


def gather_on_first(rows: Tensor, counts: Sequence[int]) -> Tensor:
    """Concatenate the rows ``(n_local, D)`` of all ranks in the host memory of rank 0, in the order of ranks.

    Args:
        rows: This rank's rows; ranks may have different numbers of them.
        counts: Number of rows of each rank.

    Returns:
        ``(sum of counts, D)`` on rank 0, ``(0, D)`` on the others.
    """
    if world_size() == 1:
        return rows.cpu()
    # NCCL transfers only CUDA memory, gloo gathers only host memory.
    nccl = dist.get_backend() == "nccl"
    device = torch.device("cuda", torch.cuda.current_device()) if nccl else torch.device("cpu")
    whole = torch.empty(sum(counts) if rank() == 0 else 0, rows.shape[1], dtype=rows.dtype)
    shards = torch.split(whole, list(counts)) if rank() == 0 else ()
    block = torch.zeros(min(_GATHERED_ROWS, max(counts)), rows.shape[1], dtype=rows.dtype, device=device)
    received = [torch.empty_like(block) for _ in shards]
    for start in range(0, max(counts), len(block)):
        part = rows[start : start + len(block)]
        block[: len(part)] = part
        dist.gather(block, received or None, dst=0)
        for shard, sent in zip(shards, received, strict=True):
            target = shard[start : start + len(block)]
            target.copy_(sent[: len(target)])
    return whole
