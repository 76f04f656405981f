"""Exact rank of the matching gallery row of each query, computed in tiles over all processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_max_, all_reduce_sum_, broadcast_, gather_rows, rank, world_size
from unlabelled.seeding import torch_generator

_CPU_TILE = 1024, 2048  # queries and gallery rows of a tile of scores (8 MiB)
_DEVICE_TILE = 4096, 8192  # the second is a multiple of the first
_STEP = 64  # sizes of tiles are multiples of it
_TILE_BYTES = 56 * 2**20  # for all tiles; wide features get smaller ones
_CHUNK = 1 << 18  # numbers that are coded at a time
_MIX = 0x5851F42D4C957F2D


class Ranks(NamedTuple):
    """Ranks of the matching rows in the gallery sorted by score.

    Attributes:
        greater: ``(n,)`` int64, number of gallery rows with a larger score than the matching row.
        equal: ``(n,)`` int64, number of rows with the same score, including the matching row: at least 1.
    """

    greater: Tensor
    equal: Tensor

    @property
    def averaged(self) -> Tensor:
        """Ranks ``(n,)`` float64, from 0; ties have the mean of their ranks, as in EAO and SSPC."""
        return self.greater + (self.equal - 1) / 2

    @property
    def optimistic(self) -> Tensor:
        """Ranks ``(n,)`` int64, from 0; ties have the first of their ranks."""
        return self.greater

    @property
    def pessimistic(self) -> Tensor:
        """Ranks ``(n,)`` int64, from 0; ties have the last of their ranks."""
        return self.greater + self.equal - 1


@torch.no_grad()
def pair_ranks(queries: Tensor, gallery: Tensor, device: torch.device | None = None) -> Ranks:
    """Rank the gallery of all ranks by dot product for each query of this rank; row i matches query i.

    Scores are computed and compared in tiles of one shape, the last ones padded: neither the scores nor the
    gallery are held as a whole, and nothing is sorted. The score of a matching row is an entry of the same
    product as the scores that it is compared with. Exact duplicates of the matching row count as ties,
    although another product may round differently. Scores are float32 (float64 for float64 queries), also
    under autocast.

    Args:
        queries: ``(n, D)``, queries of this rank; n may be 0.
        gallery: ``(n, D)``, rows of this rank; row i matches query i.
        device: Device of the tiles and of the result; by default that of the queries.

    Raises:
        ValueError: Wrong shapes, no rows on any rank, or values that are not finite or so large that scores
            overflow; the last two on all ranks.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/metric/metric.py;
    docs/methods/sspc.md#retrieval.

    Example:
        >>> rows = torch.eye(3)
        >>> ranks = pair_ranks(torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [1.0, 0.9, 0.8]]), rows)
        >>> ranks.greater.tolist(), ranks.equal.tolist(), ranks.averaged.tolist()
        ([0, 0, 2], [1, 2, 1], [0.0, 0.5, 2.0])
    """
    if queries.ndim != 2 or queries.shape != gallery.shape:
        raise ValueError(
            f"ranks: queries have shape {tuple(queries.shape)} and the gallery {tuple(gallery.shape)}, "
            "expected (n, D) twice: row i matches query i"
        )
    device = queries.device if device is None else device
    total = int(all_reduce_sum_(torch.tensor(len(queries), device=device)))
    if total == 0:
        raise ValueError("ranks: there are no queries, expected at least one pair")
    count = _RankCount(queries, gallery, total, device)
    count.check()
    with torch.autocast(device.type, enabled=False):
        count.among_own()
        count.among_others()
    return Ranks(count.greater, count.equal)


class _RankCount:
    """Buffers for tiles of scores, and the counts so far."""

    def __init__(self, queries: Tensor, gallery: Tensor, total: int, device: torch.device) -> None:
        dtype = torch.float64 if queries.dtype == torch.float64 else torch.float32
        self.queries, self.gallery = queries, gallery
        limits = _tile_limits(_CPU_TILE if device.type == "cpu" else _DEVICE_TILE, queries.shape[1], dtype)
        self.height, self.width = (min(limit, -(-total // _STEP) * _STEP) for limit in limits)
        empty = torch.empty(0, dtype=dtype, device=device)
        self._query_tile = empty.new_zeros(self.height, queries.shape[1])
        self._gallery_tile = empty.new_zeros(self.width, queries.shape[1])
        self._scores, self._flags = empty.new_zeros(2, self.height, self.width)
        self._own = empty.new_zeros(len(queries))
        self.greater = torch.zeros(len(queries), dtype=torch.int64, device=device)
        self._codes = row_codes(gallery.to(dtype)).to(device)
        self.equal, self._all_codes = count_duplicates(self._codes)

    def check(self) -> None:
        """Raise the same errors on all ranks, else the other ranks would wait for this one."""
        sizes = torch.stack([_largest(rows) for rows in (self.queries, self.gallery)])
        broken = ~torch.isfinite(sizes).all()
        if all_reduce_max_(broken.int().to(self._own.device)):
            raise ValueError(
                "ranks: features are not finite; the training has diverged (lower the learning rate, or use "
                "--trainer.precision 32), or the data set's features are damaged"
            )
        largest = all_reduce_max_(sizes.to(self._own.device)).prod() * self.queries.shape[1]
        if largest > torch.finfo(self._own.dtype).max:
            raise ValueError(
                f"ranks: features are so large that scores overflow {self._own.dtype} (up to {largest:.1e}); "
                "normalise them, or use the cosine"
            )

    def among_own(self) -> None:
        """Count over this rank's gallery, beginning with the tile that gives the scores of matching rows."""
        for rows in _tiles(len(self.queries), self.height):
            self._query_tile[: _size(rows)] = self.queries[rows]
            home = rows.start // self.width * self.width
            for columns in sorted(_tiles(len(self.gallery), self.width), key=lambda tile: tile.start != home):
                self._gallery_tile[: _size(columns)] = self.gallery[columns]
                scores = self._product(rows, columns)
                if columns.start == home:
                    self._own[rows] = scores.diagonal(rows.start - home)
                self._count(rows, scores, self._codes[columns])

    def among_others(self) -> None:
        """Count over the galleries of the other ranks, which are broadcast tile by tile."""
        counts = gather_rows(torch.tensor([len(self.queries)], device=self._own.device)).tolist()
        first = 0
        for source, count in enumerate(counts if world_size() > 1 else []):
            codes = self._all_codes[first : first + count]
            for columns in _tiles(count, self.width):
                self._receive(columns, source)
                for rows in _tiles(len(self.queries), self.height) if source != rank() else ():
                    self._query_tile[: _size(rows)] = self.queries[rows]
                    self._count(rows, self._product(rows, columns), codes[columns])
            first += count

    def _receive(self, columns: slice, source: int) -> None:
        if source == rank():
            self._gallery_tile[: _size(columns)] = self.gallery[columns]
        broadcast_(self._gallery_tile, source)

    def _product(self, rows: slice, columns: slice) -> Tensor:
        scores: Tensor = torch.mm(self._query_tile, self._gallery_tile.T, out=self._scores)
        return scores[: _size(rows), : _size(columns)]

    def _count(self, rows: slice, scores: Tensor, codes: Tensor) -> None:
        own_codes = self._codes[rows]
        if torch.isin(codes, own_codes).any():  # the matching row and its duplicates are already counted
            scores.masked_fill_(own_codes.unsqueeze(1) == codes, -torch.inf)
        own, flags = self._own[rows].unsqueeze(1), self._flags[: scores.shape[0], : scores.shape[1]]
        self.greater[rows] += torch.gt(scores, own, out=flags).sum(1).long()
        self.equal[rows] += torch.eq(scores, own, out=flags).sum(1).long()


def _tile_limits(limits: tuple[int, int], dim: int, dtype: torch.dtype) -> tuple[int, int]:
    """Halve a tile until its queries, gallery rows, scores and flags fit into _TILE_BYTES."""
    height, width = limits
    while height > _STEP and ((height + width) * dim + 2 * height * width) * dtype.itemsize > _TILE_BYTES:
        height, width = height // 2, width // 2
    return height, width


def _tiles(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _size(tile: slice) -> int:
    return int(tile.stop - tile.start)


def _largest(rows: Tensor) -> Tensor:
    """Return the largest absolute value of ``(n, D)`` as float64; NaN if a value is NaN."""
    if rows.numel() == 0:
        return torch.zeros((), dtype=torch.float64, device=rows.device)
    return torch.stack(list(rows.aminmax())).abs().amax().double()


def row_codes(rows: Tensor) -> Tensor:
    """Return codes ``(n,)`` int64, which are equal for identical rows and different for others.

    A code is a random linear combination, modulo 2**64, of the mixed bits of the numbers of a row. The
    probability that two different ones of a million rows have the same code is 3e-8. A code does not depend
    on the row's index.

    Args:
        rows: ``(n, D)`` float32 or float64.
    """
    generator = torch_generator("codes of rows")
    weights = torch.randint(-(2**63), 2**63 - 1, (rows.shape[1],), generator=generator).to(rows.device) | 1
    step = max(1, _CHUNK // max(1, rows.shape[1]))
    codes = [_coded(part, weights) for part in torch.split(rows, step)]
    return torch.cat(codes) if codes else weights.new_empty(0)


def _coded(rows: Tensor, weights: Tensor) -> Tensor:
    positive = rows + 0.0  # turns -0 into 0
    bits = positive.view(torch.int32).long() if rows.dtype == torch.float32 else positive.view(torch.int64)
    mixed = bits * _MIX
    mixed ^= mixed >> 29  # the bits of numbers with few digits end in zeros, which a product keeps
    return mixed.mul_(weights).sum(1)


def count_duplicates(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the number of rows on all ranks with each code ``(n,)``, and the codes of all ranks ``(N,)``.

    The codes of all ranks are in the order of ranks.
    """
    all_codes = gather_rows(codes)
    distinct, counts = torch.unique(all_codes, return_counts=True)
    return counts[torch.searchsorted(distinct, codes)], all_codes
