"""Exact rank of the one right gallery row of each query, computed by tiles over all processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_max_, all_reduce_sum_, broadcast_, gather_rows, rank, world_size
from unlabelled.metrics.duplicates import count_copies, row_codes

_CPU_TILE = 1024, 2048  # queries and gallery rows whose scores, 8 MiB, are held at a time
_DEVICE_TILE = 4096, 8192  # the second is a multiple of the first
_STEP = 64  # tiles are multiples of it
_ROOM = 56 * 2**20  # bytes for the tiles: wide features get smaller ones


class Ranks(NamedTuple):
    """Position of the own row of each query in the gallery sorted by score.

    Attributes:
        greater: ``(n,)`` int64, gallery rows with a larger score than the own row of the query.
        equal: ``(n,)`` int64, rows with the same score, the own row included: at least 1.
    """

    greater: Tensor
    equal: Tensor

    @property
    def averaged(self) -> Tensor:
        """``(n,)`` float64, from 0; among equals the mean of their places, as in EAO and SSPC."""
        return self.greater + (self.equal - 1) / 2

    @property
    def optimistic(self) -> Tensor:
        """``(n,)`` int64, from 0; the first of its equals."""
        return self.greater

    @property
    def pessimistic(self) -> Tensor:
        """``(n,)`` int64, from 0; the last of its equals."""
        return self.greater + self.equal - 1


@torch.no_grad()
def pair_ranks(queries: Tensor, gallery: Tensor, device: torch.device | None = None) -> Ranks:
    """Rank the gallery of all ranks by dot product for each query of this rank; its own row is the right one.

    Tiles of one shape, the last ones padded, are multiplied and counted: neither the scores nor the gallery
    are ever held as a whole, and nothing is sorted. An own row's score is taken from the same product as its
    competitors'. Rows that copy it exactly are its equals wherever they stand, though a product may round
    otherwise there. Float32 (float64 if the queries are), under autocast too.

    Args:
        queries: ``(n, D)``, this rank's; any number of them, none included.
        gallery: ``(n, D)``; row i is what query i asks for.
        device: Where the tiles are multiplied and the result lies; the queries' by default.

    Raises:
        ValueError: Wrong shapes, no rows on any rank, or a value that is not finite or so large that a score
            would not be; the latter on all ranks at once.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/metric/metric.py;
    docs/methods/sspc.md#retrieval.
    """
    if queries.ndim != 2 or queries.shape != gallery.shape:
        raise ValueError(
            f"ranks: queries have shape {tuple(queries.shape)} and the gallery {tuple(gallery.shape)}, "
            "expected (n, D) twice: query i asks for row i"
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
    """The tiles, and what was counted so far."""

    def __init__(self, queries: Tensor, gallery: Tensor, total: int, device: torch.device) -> None:
        dtype = torch.float64 if queries.dtype == torch.float64 else torch.float32
        self.queries, self.gallery = queries, gallery
        limits = _tile_limits(_CPU_TILE if device.type == "cpu" else _DEVICE_TILE, queries.shape[1], dtype)
        self.height, self.width = (min(limit, -(-total // _STEP) * _STEP) for limit in limits)
        empty = torch.empty(0, dtype=dtype, device=device)
        self._asked = empty.new_zeros(self.height, queries.shape[1])
        self._found = empty.new_zeros(self.width, queries.shape[1])
        self._scores, self._flags = empty.new_zeros(2, self.height, self.width)
        self._own = empty.new_zeros(len(queries))
        self.greater = torch.zeros(len(queries), dtype=torch.int64, device=device)
        self._codes = row_codes(gallery.to(dtype)).to(device)
        self.equal, self._all_codes = count_copies(self._codes)

    def check(self) -> None:
        """Stop on all ranks alike, or the others would wait for this one."""
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
                "normalise them, or ask for the cosine"
            )

    def among_own(self) -> None:
        """Count this rank's gallery; the tile with the own rows comes first, since all compare with them."""
        for rows in _tiles(len(self.queries), self.height):
            self._asked[: _size(rows)] = self.queries[rows]
            home = rows.start // self.width * self.width
            for columns in sorted(_tiles(len(self.gallery), self.width), key=lambda tile: tile.start != home):
                self._found[: _size(columns)] = self.gallery[columns]
                scores = self._product(rows, columns)
                if columns.start == home:
                    self._own[rows] = scores.diagonal(rows.start - home)
                self._count(rows, scores, self._codes[columns])

    def among_others(self) -> None:
        """Count the other ranks' galleries, one tile after the other going round."""
        counts = gather_rows(torch.tensor([len(self.queries)], device=self._own.device)).tolist()
        first = 0
        for source, count in enumerate(counts if world_size() > 1 else []):
            codes = self._all_codes[first : first + count]
            for columns in _tiles(count, self.width):
                self._receive(columns, source)
                for rows in _tiles(len(self.queries), self.height) if source != rank() else ():
                    self._asked[: _size(rows)] = self.queries[rows]
                    self._count(rows, self._product(rows, columns), codes[columns])
            first += count

    def _receive(self, columns: slice, source: int) -> None:
        if source == rank():
            self._found[: _size(columns)] = self.gallery[columns]
        broadcast_(self._found, source)

    def _product(self, rows: slice, columns: slice) -> Tensor:
        scores: Tensor = torch.mm(self._asked, self._found.T, out=self._scores)
        return scores[: _size(rows), : _size(columns)]

    def _count(self, rows: slice, scores: Tensor, codes: Tensor) -> None:
        mine = self._codes[rows]
        if torch.isin(codes, mine).any():  # the own row and its copies were counted beforehand
            scores.masked_fill_(mine.unsqueeze(1) == codes, -torch.inf)
        own, flags = self._own[rows].unsqueeze(1), self._flags[: scores.shape[0], : scores.shape[1]]
        self.greater[rows] += torch.gt(scores, own, out=flags).sum(1).long()
        self.equal[rows] += torch.eq(scores, own, out=flags).sum(1).long()


def _tile_limits(limits: tuple[int, int], dim: int, dtype: torch.dtype) -> tuple[int, int]:
    """Halve a tile until its queries, gallery rows, scores and flags have room."""
    height, width = limits
    while height > _STEP and ((height + width) * dim + 2 * height * width) * dtype.itemsize > _ROOM:
        height, width = height // 2, width // 2
    return height, width


def _tiles(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _size(tile: slice) -> int:
    return int(tile.stop - tile.start)


def _largest(rows: Tensor) -> Tensor:
    """Return the largest absolute value of ``(n, D)`` as float64; NaN if there is one."""
    if rows.numel() == 0:
        return torch.zeros((), dtype=torch.float64, device=rows.device)
    return torch.stack(list(rows.aminmax())).abs().amax().double()
