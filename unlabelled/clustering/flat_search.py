"""One step of k-means: the centroid of each point, and the sum of the points of each centroid."""

from __future__ import annotations

from types import TracebackType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unlabelled.clustering.row_blocks import BLOCK_BYTES, DEVICE_BLOCK_BYTES, RowBlocks

_MAX_PARTS = 32  # parts with sums of their own; two for each of RowBlocks' threads
_POINTS_PER_SUM = 8  # the sums take at most an eighth of the points' memory
_MIN_ROWS = 256  # per product; with fewer, reading the centroids takes most of the time


class Step(NamedTuple):
    """The result of a step.

    Attributes:
        labels: ``(n,)`` int64.
        objective: Sum over the points of the squared distance to their centroid, or of the dot product.
        sums: ``(K, D)`` float32, sums of the points of each centroid.
        counts: ``(K,)`` int64, numbers of points of each centroid.
    """

    labels: Tensor
    objective: float
    sums: Tensor
    counts: Tensor


class FlatSearch:
    """Context manager of faiss' exact search with one Python thread per core, each for a part of the points.

    faiss' threads share each product and wait for each other after it, which on busy cores costs more than it
    saves; here threads wait for each other twice per step. Points are summed while they are in the cache.
    Results do not depend on the number of threads.

    Args:
        points: ``(n, D)`` float32 in host memory, contiguous.
        num_clusters: K.
        spherical: Nearest means the largest dot product instead of the smallest distance.
        device: Device of the search; the CPU, if faiss has no GPU support.
    """

    def __init__(self, points: Tensor, num_clusters: int, spherical: bool, device: torch.device) -> None:
        self.faiss = import_faiss()
        dim = points.shape[1]
        index = self.faiss.IndexFlatIP(dim) if spherical else self.faiss.IndexFlatL2(dim)
        on_gpu = device.type == "cuda" and hasattr(self.faiss, "StandardGpuResources")
        if on_gpu:
            gpu = torch.cuda.current_device() if device.index is None else device.index
            index = self.faiss.index_cpu_to_gpu(self.faiss.StandardGpuResources(), gpu, index)
        self._points, self._index = points, index
        # A GPU serves one thread at a time.
        parts = 1 if on_gpu else max(1, min(_MAX_PARTS, len(points) // (_POINTS_PER_SUM * num_clusters)))
        self._blocks = RowBlocks(parts, BLOCK_BYTES, torch.device("cpu"))  # each part is one block
        self._rows = max(_MIN_ROWS, (DEVICE_BLOCK_BYTES if on_gpu else BLOCK_BYTES) // (4 * dim))
        self._labels = torch.empty(len(points), 1, dtype=torch.int64)
        self._nearness = torch.empty(len(points), 1)
        self._sums = torch.empty(parts, num_clusters, dim)

    def __enter__(self) -> FlatSearch:
        self._threads = self.faiss.omp_get_max_threads()
        # This also stops torch from starting threads within these ones.
        self._blocks.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blocks.__exit__(kind, error, trace)
        self.faiss.omp_set_num_threads(self._threads)  # the calling thread may have worked on a part

    def step(self, centroids: Tensor) -> Step:
        """Find the best of ``centroids (K, D)`` for each point."""
        self._index.reset()
        self._index.add(centroids.numpy())
        self._blocks.run(self._search)
        sums = torch.empty_like(centroids)
        self._blocks.run(lambda part: self._add_up(part, sums))
        labels, nearness = self._labels[:, 0], self._nearness.sum(dtype=torch.float64)
        return Step(labels.clone(), float(nearness), sums, torch.bincount(labels, minlength=len(centroids)))

    def _search(self, part: int) -> None:
        self.faiss.omp_set_num_threads(1)  # applies to the calling thread only
        sums, share = self._sums[part].zero_(), self._share(part, len(self._points))
        for start in range(share.start, share.stop, self._rows):
            rows = slice(start, min(start + self._rows, share.stop))
            points, labels = self._points[rows], self._labels[rows]
            self._index.search(points.numpy(), 1, D=self._nearness[rows].numpy(), I=labels.numpy())
            sums.index_add_(0, labels[:, 0], points)

    def _add_up(self, part: int, sums: Tensor) -> None:
        clusters = self._share(part, len(sums))
        torch.sum(self._sums[:, clusters], 0, out=sums[clusters])

    def _share(self, part: int, total: int) -> slice:
        return slice(total * part // len(self._sums), total * (part + 1) // len(self._sums))


def import_faiss() -> Any:
    """Import faiss.

    Raises:
        ImportError: faiss is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            "k-means needs faiss, which is not installed: install one of the extras `unlabelled[cpu]` or "
            "`unlabelled[gpu]` (they exclude each other)"
        ) from error
    return faiss
