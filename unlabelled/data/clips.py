"""The data set of clips, and the samplers that say which clip comes when."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

from unlabelled.data.index import ClipIndex
from unlabelled.data.media import DecodeError, Reader
from unlabelled.seeding import global_seed, numpy_generator, torch_generator
from unlabelled.transforms.view import ClipView

log = logging.getLogger(__name__)

NOT_REPLACED = -1
_ATTEMPTS = 20


class SampleKey(NamedTuple):
    """A row of the data set, and the epoch whose augmentation it gets."""

    row: int
    epoch: int


class ClipDataset(Dataset[dict[str, Tensor]]):
    """Clips as tensors; a clip that cannot be read now is replaced by another.

    A sample has the view's tensors and ``label``, ``index`` (the row that was really read) and ``replaced``
    (the row that could not be read, or :data:`NOT_REPLACED`). What is drawn at random depends on the run's
    seed, the epoch and the row, not on workers or ranks.

    Args:
        index: The usable clips.
        reader: Decodes them.
        view: Makes tensors.
        train: Random augmentation, or the fixed view.
    """

    def __init__(self, index: ClipIndex, reader: Reader, view: ClipView, train: bool) -> None:
        self.index, self.reader, self.view, self.train = index, reader, view, train

    def __len__(self) -> int:
        return len(self.index)

    def path(self, row: int) -> str:
        """Return the file of one row."""
        return f"{self.index.root}/{self.index.entries[row].path}"

    def __getitem__(self, key: SampleKey | int) -> dict[str, Tensor]:
        """Read one sample.

        Raises:
            DecodeError: Neither this clip nor any of 20 others could be read.
        """
        wanted, epoch = key if isinstance(key, tuple) else (key, 0)
        row, failure = wanted, None
        for attempt in range(_ATTEMPTS):
            rng = numpy_generator(global_seed(), "sample", epoch, wanted, attempt)
            if failure is not None:
                row = int(rng.integers(len(self)))
            try:
                return self._sample(row, epoch, wanted)
            except DecodeError as error:
                failure = error
                log.warning("replaced by another clip: %s", error)
        raise DecodeError(self.path(wanted), f"and {_ATTEMPTS - 1} others could not be read; last: {failure}")

    def _sample(self, row: int, epoch: int, wanted: int) -> dict[str, Tensor]:
        rng = numpy_generator(global_seed(), "view", epoch, row)
        sample = self.view.load(self.reader, self.path(row), self.index.durations[row], rng, self.train)
        sample["label"] = torch.tensor(self.index.entries[row].label)
        sample["index"] = torch.tensor(row)
        sample["replaced"] = torch.tensor(NOT_REPLACED if row == wanted else wanted)
        return sample


class ShuffledShard(DistributedSampler[Any]):
    """The rank's part of each epoch's random order; all parts are equally long.

    Step s of an epoch uses the same rows whatever the number of ranks (for one global batch size). It is a
    ``DistributedSampler`` so that Lightning leaves it alone and tells it the epoch.

    Args:
        num_samples: Rows of the data set.
        rank: This process.
        world_size: All processes.
    """

    def __init__(self, num_samples: int, rank: int, world_size: int) -> None:
        self.num_rows, self.rank, self.world_size = num_samples, rank, world_size
        self.epoch = 0
        self.skip = 0  # rows of the first epoch that a resumed run has used already

    def __len__(self) -> int:
        return self.num_rows // self.world_size

    def __iter__(self) -> Iterator[SampleKey]:
        generator = torch_generator(global_seed(), "order", self.epoch)
        order = torch.randperm(self.num_rows, generator=generator)
        mine = order[self.rank :: self.world_size][: len(self)].tolist()
        start, self.skip = self.skip, 0
        return iter([SampleKey(row, self.epoch) for row in mine[start:]])


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
        """Ignore Lightning's epoch: an evaluation shows the same view each time."""

    def __len__(self) -> int:
        return max(0, math.ceil((self.num_rows - self.rank) / self.world_size))

    def __iter__(self) -> Iterator[SampleKey]:
        rows = range(self.rank, self.num_rows, self.world_size)
        return iter([SampleKey(row, self.pass_epoch) for row in rows])
