"""Order of the samples, on each rank; replacements of those that cannot be read."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from unlabelled.data.datasets.samples import (
    NOT_REPLACED,
    DrawnShard,
    OrderedShard,
    SampleDataset,
    SampleKey,
    ShuffledShard,
    note_replaced,
    permutation,
)
from unlabelled.data.media.reader import DecodeError
from unlabelled.seeding import global_seed, torch_generator

SIZES = st.integers(1, 60)
WORLDS = st.integers(1, 7)


@given(size=SIZES, world=WORLDS)
def test_ordered_shards_cover_each_row_exactly_once(size: int, world: int) -> None:
    shards = [OrderedShard(size, rank, world) for rank in range(world)]
    rows = [key.row for shard in shards for key in shard]
    assert sorted(rows) == list(range(size))
    assert [len(shard) for shard in shards] == [len(list(shard)) for shard in shards]


@given(size=SIZES, world=WORLDS, batch=st.integers(1, 9), epoch=st.integers(0, 5))
def test_shuffled_shards_are_equally_long_and_disjoint(size: int, world: int, batch: int, epoch: int) -> None:
    parts = []
    for rank in range(world):
        shard = ShuffledShard(size, rank, world, batch)
        shard.set_epoch(epoch)
        keys = list(shard)
        assert len(keys) == len(shard) == size // (world * batch) * batch == shard.num_batches * batch
        assert all(key.epoch == epoch for key in keys)
        parts.append([key.row for key in keys])
    rows = [row for part in parts for row in part]
    assert len(set(rows)) == len(rows)


@given(size=SIZES, world=WORLDS, local=st.integers(1, 5), epoch=st.integers(0, 3))
def test_ranks_one_after_the_other_have_the_global_batch_in_order(
    size: int, world: int, local: int, epoch: int
) -> None:
    shards = [ShuffledShard(size, rank, world, local) for rank in range(world)]
    alone = ShuffledShard(size, 0, 1, local * world)
    for shard in [*shards, alone]:
        shard.set_epoch(epoch)
    parts, whole = [list(shard) for shard in shards], list(alone)
    steps = [slice(step * local, (step + 1) * local) for step in range(alone.num_batches)]
    assert [key for step in steps for part in parts for key in part[step]] == whole


def test_a_single_process_follows_the_epochs_permutation() -> None:
    shard = ShuffledShard(23, 0, 1, 5)
    shard.set_epoch(4)
    order = torch.randperm(23, generator=torch_generator(global_seed(), "order", 4)).tolist()
    assert [key.row for key in shard] == order[:20]


def test_each_epoch_has_another_order() -> None:
    shard = ShuffledShard(50, 0, 1, 5)
    orders = []
    for epoch in range(3):
        shard.set_epoch(epoch)
        orders.append([key.row for key in shard])
    assert len({tuple(order) for order in orders}) == 3


def test_a_resumed_epoch_goes_on_once() -> None:
    for rank in range(2):
        shard = ShuffledShard(20, rank, 2, 2)
        whole = list(shard)
        shard.skip = 6
        assert list(shard) == whole[6:]
        assert list(shard) == whole


@pytest.mark.parametrize("size", [1, 7, 70_001])
def test_the_order_is_that_of_earlier_versions(size: int) -> None:
    expected = torch.randperm(size, generator=torch_generator(3, "order", 2))
    found = permutation(size, torch_generator(3, "order", 2))
    assert found.dtype == torch.int32
    assert torch.equal(found.long(), expected)


def test_an_order_takes_little_memory_besides_its_rows() -> None:
    """400 kB of the order, int32, and half of them of a rank's rows; integers of Python took 4 MB more."""
    samplers = ShuffledShard(100_000, 0, 2, 10), OrderedShard(100_000, 0, 2), DrawnShard(100_000, 0, 2)
    for sampler in samplers:
        tracemalloc.start()
        assert sum(1 for _ in sampler) == 50_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1_000_000


class _Numbers(SampleDataset):
    """A random number per row; some rows cannot be read."""

    def __init__(self, size: int, broken: set[int]) -> None:
        self.size, self.broken = size, broken

    def __len__(self) -> int:
        return self.size

    def path(self, row: int) -> str:
        return f"file{row}"

    def read(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        if row in self.broken:
            raise DecodeError(self.path(row), "broken")
        return {"number": float(rng.random())}


def test_what_cannot_be_read_is_replaced_and_named(caplog: pytest.LogCaptureFixture) -> None:
    data = _Numbers(8, {2, 3})
    sample = data[SampleKey(2, epoch=5)]
    stand_in = int(sample["index"])
    assert stand_in not in (2, 3)
    assert sample["replaced"] == 2
    assert "file2: broken" in caplog.text
    itself = data[SampleKey(stand_in, epoch=5)]
    assert itself["replaced"] == NOT_REPLACED
    assert itself["number"] == sample["number"]  # the same augmentation
    assert itself["number"] != data[SampleKey(stand_in, epoch=6)]["number"]
    assert {int(data[SampleKey(2, epoch)]["index"]) for epoch in range(9)} > {stand_in}
    assert caplog.text.count("file2: broken") == 1  # not again in each epoch


def test_processes_that_are_started_later_name_no_file_again(caplog: pytest.LogCaptureFixture) -> None:
    data = _Numbers(8, {2})
    note_replaced(data, {"replaced": torch.tensor([NOT_REPLACED, 2, NOT_REPLACED])})
    assert data[2]["replaced"] == 2
    assert caplog.text == ""


def test_the_seed_is_that_of_the_key_where_the_process_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    data = _Numbers(8, set())
    here = data[SampleKey(2, 5)]["number"]
    assert data[SampleKey(2, 5, seed=7)]["number"] != here
    monkeypatch.setenv("PL_GLOBAL_SEED", "7")
    assert data[SampleKey(2, 5)]["number"] == data[SampleKey(2, 5, seed=7)]["number"]
    assert (
        {key.seed for key in ShuffledShard(8, 0, 1, 2)} == {key.seed for key in OrderedShard(8, 0, 1)} == {7}
    )


class _Strided(_Numbers):
    """Tensors that are not contiguous, and the number of threads by which they were read."""

    def read(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        image = torch.full((4, 5, 3), float(row)).permute(2, 0, 1)
        return {"views": [image], "audio": {"mel": image}, "threads": torch.get_num_threads()}


def test_samples_do_not_depend_on_the_process_that_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = [3]
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[-1])
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    batch = next(iter(DataLoader(_Strided(8, set()), batch_size=4)))
    assert batch["views"][0].stride() == batch["audio"]["mel"].stride() == (60, 20, 5, 1)
    assert batch["threads"].tolist() == [1] * 4
    assert threads[-1] == 3


def test_nothing_readable_is_an_error() -> None:
    with pytest.raises(DecodeError, match=r"file1: and 19 others could not be read; last: file\d: broken"):
        _Numbers(3, {0, 1, 2})[1]


class _WithHoles(SampleDataset):
    """Row 1 has a value that is not finite, at some place of the sample."""

    def __init__(self, hole: Any) -> None:
        self.hole = hole

    def __len__(self) -> int:
        return 3

    def path(self, row: int) -> str:
        return f"{row}.mp4"

    def read(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        video = self.hole if row == 1 else torch.zeros(2)
        return {"video": video, "label": torch.tensor(0), "counts": {"words": 1}}


@pytest.mark.parametrize(
    "hole",
    [
        torch.tensor([0.0, torch.nan]),
        torch.tensor([torch.inf], dtype=torch.float64),
        [torch.zeros(2), torch.tensor(-torch.inf)],
        {"fine": torch.zeros(2), "coarse": np.array([np.nan], np.float32)},
    ],
)
def test_a_sample_that_is_not_finite_is_replaced_and_named(
    hole: Any, caplog: pytest.LogCaptureFixture
) -> None:
    samples = _WithHoles(hole)
    assert samples[0]["replaced"].item() == NOT_REPLACED
    assert caplog.text == ""
    sample = samples[1]
    assert sample["replaced"].item() == 1
    assert sample["index"].item() in (0, 2)
    assert "1.mp4: its video has values that are not finite" in caplog.text
