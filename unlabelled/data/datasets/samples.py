"""What data sets of clips and images share: stand-ins for what cannot be read; which rank reads what when."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset, DistributedSampler

from unlabelled.data.media.reader import DecodeError
from unlabelled.seeding import global_seed, numpy_generator, torch_generator

log = logging.getLogger(__name__)

NOT_REPLACED = -1
_ATTEMPTS = 20


class SampleKey(NamedTuple):
    """A row of the data set, and the epoch whose augmentation it gets."""

    row: int
    epoch: int


class SampleIndex(Protocol):
    """The usable samples of one split."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash that differs when the samples, their order or labels do."""
        ...

    def summary(self) -> str:
        """Return one line for the user: how many are usable, and which are not."""
        ...


class SampleDataset(Dataset[dict[str, Any]], ABC):
    """Samples as tensors; one that cannot be read now is replaced by another.

    To what a subclass reads (:meth:`read`) come ``index`` (the row that was really read) and ``replaced``
    (the row that could not be read, or :data:`NOT_REPLACED`). What is drawn at random depends on the run's
    seed, the epoch and the row, not on workers or ranks.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows."""

    @abstractmethod
    def path(self, row: int) -> str:
        """Return the file of one row, or another name for it."""

    @abstractmethod
    def read(self, row: int, epoch: int) -> dict[str, Any]:
        """Return the pipeline's tensors and the ``label`` of one row.

        Raises:
            DecodeError: It cannot be read.
        """

    def __getitem__(self, key: SampleKey | int) -> dict[str, Any]:
        """Read one sample.

        Raises:
            DecodeError: Neither this sample nor any of 19 others could be read.
        """
        wanted, epoch = key if isinstance(key, tuple) else (key, 0)
        row, failure = wanted, None
        for attempt in range(_ATTEMPTS):
            rng = numpy_generator(global_seed(), "sample", epoch, wanted, attempt)
            if failure is not None:
                row = int(rng.integers(len(self)))
            try:
                sample = self.read(row, epoch)
            except DecodeError as error:
                failure = error
                log.warning("replaced by another sample: %s", error)
                continue
            sample["index"] = torch.tensor(row)
            sample["replaced"] = torch.tensor(NOT_REPLACED if row == wanted else wanted)
            return sample
        raise DecodeError(self.path(wanted), f"and {_ATTEMPTS - 1} others could not be read; last: {failure}")


def augmentation_generator(epoch: int, row: int) -> np.random.Generator:
    """Return NumPy's generator of one row's augmentation in one epoch."""
    return numpy_generator(global_seed(), "view", epoch, row)


class ShuffledShard(DistributedSampler[Any]):
    """The rank's part of each epoch's random order, full batches only; all parts are equally long.

    The order is cut into global batches, and rank r has the r-th block of each. So step s of an epoch uses
    the same rows whatever the number of ranks (for one global batch size), and what is gathered from all
    ranks, rank after rank, is in the order of a single process. It is a ``DistributedSampler`` so that
    Lightning leaves it alone and tells it the epoch.

    Args:
        num_samples: Rows of the data set.
        rank: This process.
        world_size: All processes.
        batch_size: Rows per rank and step.

    Attributes:
        skip: Rows of the first epoch that a resumed run has used already.
    """

    def __init__(self, num_samples: int, rank: int, world_size: int, batch_size: int) -> None:
        self.num_rows, self.rank, self.world_size = num_samples, rank, world_size
        self.batch_size = batch_size
        self.epoch, self.skip = 0, 0

    @property
    def num_batches(self) -> int:
        """Full global batches in an epoch."""
        return self.num_rows // (self.batch_size * self.world_size)

    def __len__(self) -> int:
        return self.num_batches * self.batch_size

    def __iter__(self) -> Iterator[SampleKey]:
        generator = torch_generator(global_seed(), "order", self.epoch)
        order = torch.randperm(self.num_rows, generator=generator)
        batches = order[: len(self) * self.world_size].view(-1, self.world_size, self.batch_size)
        epoch, start, self.skip = self.epoch, self.skip, 0
        return (SampleKey(row, epoch) for row in batches[:, self.rank].flatten().tolist()[start:])


class OrderedShard(DistributedSampler[Any]):
    """The rank's rows in order: each row on exactly one rank, no padding, shards may be uneven.

    Args:
        num_samples: Rows of the data set.
        rank: This process.
        world_size: All processes.

    Attributes:
        pass_epoch: Names the random augmentation, if the data set augments.
    """

    def __init__(self, num_samples: int, rank: int, world_size: int) -> None:
        self.num_rows, self.rank, self.world_size = num_samples, rank, world_size
        self.pass_epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Ignore Lightning's epoch: an evaluation shows the same pipeline each time."""

    def __len__(self) -> int:
        return max(0, math.ceil((self.num_rows - self.rank) / self.world_size))

    def __iter__(self) -> Iterator[SampleKey]:
        epoch = self.pass_epoch
        return (SampleKey(row, epoch) for row in self.order()[self.rank :: self.world_size])

    def order(self) -> Sequence[int]:
        """Return all ranks' rows; rank r has each W-th of them, from the r-th on."""
        return range(self.num_rows)


class DrawnShard(OrderedShard):
    """The same in a random order, another one for each ``pass_epoch``."""

    def order(self) -> Sequence[int]:
        """Return all ranks' rows, shuffled."""
        generator = torch_generator(global_seed(), "order of a pass", self.pass_epoch)
        rows: list[int] = torch.randperm(self.num_rows, generator=generator).tolist()
        return rows
