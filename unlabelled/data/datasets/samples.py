"""Data sets of samples: replacement of unreadable samples, and the samplers of training and evaluation."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

from unlabelled.data.media.reader import DecodeError
from unlabelled.seeding import global_seed, numpy_generator, torch_generator

log = logging.getLogger(__name__)

NOT_REPLACED = -1
_named: set[str] = set()  # files of which this process, or one that it was forked from, knows
_ATTEMPTS = 20
_PART = 1 << 12  # rows of an order that are Python integers at once


class SampleKey(NamedTuple):
    """A row of the data set, and what its augmentation is drawn from.

    Samplers put epoch and seed into each key, since processes that read have copies of the data set and of
    the environment, which may be older than the epoch, or than the seed of a resumed run.

    Args:
        row: The row.
        epoch: The epoch.
        seed: Seed of the run; None: that of this process.
    """

    row: int
    epoch: int
    seed: int | None = None


class SampleIndex(Protocol):
    """The usable samples of one split."""

    def __len__(self) -> int:
        """Return the number of usable samples."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of the samples, their order and labels."""
        ...

    def summary(self) -> str:
        """Return one line: the numbers of usable and of left out samples."""
        ...


class SampleDataset(Dataset[dict[str, Any]], ABC):
    """Samples as tensors; a sample that cannot be read, or is not finite, is replaced by another one.

    ``index`` (the row that was read) and ``replaced`` (the row that could not be read, or
    :data:`NOT_REPLACED`) are added to the tensors of :meth:`read`. All random numbers depend on the seed of
    the run, the epoch and the row, not on workers or ranks.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows."""

    @abstractmethod
    def path(self, row: int) -> str:
        """Return the file of one row, or another name for it."""

    @abstractmethod
    def read(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        """Return the pipeline's tensors and the ``label`` of one row.

        Args:
            row: The row.
            rng: Generator of the row's augmentation.

        Raises:
            DecodeError: The row cannot be read.
        """

    def __getitem__(self, key: SampleKey | int) -> dict[str, Any]:
        """Read one sample; the key is a row with an epoch, or a row of epoch 0.

        Raises:
            DecodeError: Neither this sample nor any of 19 others could be read.
        """
        requested, epoch, given = SampleKey(*key) if isinstance(key, tuple) else SampleKey(key, 0)
        seed = global_seed() if given is None else given
        row, failure = requested, None
        for attempt in range(_ATTEMPTS):
            if failure is not None:
                rng = numpy_generator(seed, "sample", epoch, requested, attempt)
                row = int(rng.integers(len(self)))
            try:
                with one_thread():
                    sample = self.read(row, numpy_generator(seed, "view", epoch, row))
                sample = {name: as_contiguous(value) for name, value in sample.items()}
                check_finite_sample(self.path(row), sample)
            except DecodeError as error:
                failure = error
                self._name(row, error)
                continue
            sample["index"] = torch.tensor(row)
            sample["replaced"] = torch.tensor(NOT_REPLACED if row == requested else requested)
            return sample
        raise DecodeError(
            self.path(requested), f"and {_ATTEMPTS - 1} others could not be read; last: {failure}"
        )

    def _name(self, row: int, error: DecodeError) -> None:
        """Log once why a sample is replaced, which happens in each epoch and in each pass."""
        if self.path(row) not in _named:
            _named.add(self.path(row))
            log.warning("replaced by another sample: %s", error)


def note_replaced(data: Any, batch: Mapping[str, Any]) -> None:
    """Note which samples of a batch are replacements, so that no process of a later loader names them again.

    Args:
        data: The data set of the batch; others than :class:`SampleDataset` are left out.
        batch: A batch of a loader, with ``replaced (B,)``.
    """
    if isinstance(data, SampleDataset) and "replaced" in batch:
        replaced = batch["replaced"]
        _named.update(data.path(row) for row in replaced[replaced != NOT_REPLACED].tolist())


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread for operations on tensors, as in a process of a loader: more threads round otherwise.

    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    """
    threads = torch.get_num_threads()
    if threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def as_contiguous(value: Any) -> Any:
    """Return an entry of a sample with contiguous tensors.

    Other tensors would be batched in their own layout in this process, but not in a process of a loader, and
    operations on batches of different layout round differently.

    >>> as_contiguous(torch.zeros(4, 4, 3).permute(2, 0, 1)).is_contiguous()
    True
    """
    if isinstance(value, Tensor):
        return value.contiguous()
    if isinstance(value, dict):
        return {name: as_contiguous(each) for name, each in value.items()}
    if isinstance(value, list):
        return [as_contiguous(each) for each in value]
    return value


def check_finite_sample(path: str, sample: Mapping[str, Any]) -> None:
    """Check that no tensor of a sample has a value that is NaN or infinite.

    Raises:
        DecodeError: One has.
    """
    for name, value in sample.items():
        if not all(map(_is_finite, _floating(value))):
            raise DecodeError(path, f"its {name} has values that are not finite")


def _is_finite(values: Tensor | NDArray[Any]) -> bool:
    if isinstance(values, Tensor):
        if values.dtype == torch.bfloat16:  # NumPy has no such type
            return bool(values.isfinite().all())
        values = values.numpy()  # NumPy checks the values of a clip in a quarter of torch's time
    return bool(np.isfinite(values).all())


def _floating(value: Any) -> Iterator[Tensor | NDArray[Any]]:
    """Yield the tensors and arrays of floating-point numbers in a tensor, an array, a list, a dictionary."""
    is_floating = value.is_floating_point() if isinstance(value, Tensor) else False
    if is_floating or (isinstance(value, np.ndarray) and value.dtype.kind == "f"):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _floating(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _floating(each)


def permutation(num_rows: int, generator: torch.Generator) -> Tensor:
    """Return a random order of rows ``(num_rows,)``: int32 if they fit, in the same order as int64.

    It is the order of the runs of earlier versions and of their checkpoints, hence not one that is computed
    row by row, which would need no memory.
    """
    dtype = torch.int32 if num_rows <= torch.iinfo(torch.int32).max else torch.int64
    return torch.randperm(num_rows, generator=generator, dtype=dtype)


def in_parts(rows: Tensor) -> Iterator[int]:
    """Yield the values of a tensor; as Python integers, all of them would take 40 bytes each."""
    parts = (rows[start : start + _PART] for start in range(0, len(rows), _PART))
    return (row for part in parts for row in part.tolist())


class ShuffledShard(DistributedSampler[Any]):
    """The rows of one rank in each epoch's random order; full batches, equally many on all ranks.

    The order is cut into global batches, and rank r has the r-th block of each. For a given global batch
    size, step s of an epoch uses the same rows for all numbers of ranks, and tensors that are gathered from
    all ranks are in the order of a single process. Lightning does not replace a ``DistributedSampler``, and
    sets its epoch, but the first epoch of a run only after the processes of the loader have begun to read;
    whoever makes the loader sets that one.

    Args:
        num_samples: Number of rows of the data set.
        rank: Index of this process.
        world_size: Number of processes.
        batch_size: Rows per rank and step.

    Attributes:
        skip: Number of rows of the first epoch that a resumed run has used already.

    Example:
        >>> sampler = ShuffledShard(num_samples=10, rank=0, world_size=2, batch_size=2)
        >>> len(sampler), sampler.num_batches
        (4, 2)
    """

    def __init__(self, num_samples: int, rank: int, world_size: int, batch_size: int) -> None:
        self.num_rows, self.rank, self.world_size = num_samples, rank, world_size
        self.batch_size = batch_size
        self.epoch, self.skip = 0, 0

    @property
    def num_batches(self) -> int:
        """Number of full global batches in an epoch."""
        return self.num_rows // (self.batch_size * self.world_size)

    def __len__(self) -> int:
        return self.num_batches * self.batch_size

    def __iter__(self) -> Iterator[SampleKey]:
        seed, epoch, start, self.skip = global_seed(), self.epoch, self.skip, 0
        order = permutation(self.num_rows, torch_generator(seed, "order", epoch))
        batches = order[: len(self) * self.world_size].view(-1, self.world_size, self.batch_size)
        rows = batches[:, self.rank].flatten()  # a copy: the other ranks' rows are freed
        return (SampleKey(row, epoch, seed) for row in in_parts(rows[start:]))


class OrderedShard(DistributedSampler[Any]):
    """The rows of one rank in order: each row on exactly one rank, without padding.

    Args:
        num_samples: Number of rows of the data set.
        rank: Index of this process.
        world_size: Number of processes.

    Attributes:
        pass_epoch: Epoch of the random augmentation, if the data set augments.

    Example:
        >>> [[key.row for key in OrderedShard(5, rank, 2)] for rank in range(2)]
        [[0, 2, 4], [1, 3]]
    """

    shuffled = False

    def __init__(self, num_samples: int, rank: int, world_size: int) -> None:
        self.num_rows, self.rank, self.world_size = num_samples, rank, world_size
        self.pass_epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Ignore Lightning's epoch: evaluation has the same samples each time."""

    def __len__(self) -> int:
        return max(0, math.ceil((self.num_rows - self.rank) / self.world_size))

    def __iter__(self) -> Iterator[SampleKey]:
        seed, epoch = global_seed(), self.pass_epoch
        rows: Iterable[int] = range(self.rank, self.num_rows, self.world_size)
        if self.shuffled:
            order = permutation(self.num_rows, torch_generator(seed, "order of a pass", epoch))
            rows = in_parts(order[self.rank :: self.world_size].clone())
        return (SampleKey(row, epoch, seed) for row in rows)


class DrawnShard(OrderedShard):
    """The rows of one rank in random order, a different one for each ``pass_epoch``."""

    shuffled = True
