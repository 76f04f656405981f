"""Which clip comes when, on which rank."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlabelled.data.clips import OrderedShard, ShuffledShard

SIZES = st.integers(1, 60)
WORLDS = st.integers(1, 7)


@given(size=SIZES, world=WORLDS)
def test_ordered_shards_cover_each_row_exactly_once(size: int, world: int) -> None:
    shards = [OrderedShard(size, rank, world) for rank in range(world)]
    rows = [key.row for shard in shards for key in shard]
    assert sorted(rows) == list(range(size))
    assert [len(shard) for shard in shards] == [len(list(shard)) for shard in shards]


@given(size=SIZES, world=WORLDS, epoch=st.integers(0, 5))
def test_shuffled_shards_are_equally_long_and_disjoint(size: int, world: int, epoch: int) -> None:
    parts = []
    for rank in range(world):
        shard = ShuffledShard(size, rank, world)
        shard.set_epoch(epoch)
        keys = list(shard)
        assert len(keys) == len(shard) == size // world
        assert all(key.epoch == epoch for key in keys)
        parts.append([key.row for key in keys])
    rows = [row for part in parts for row in part]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("world", [1, 2, 4])
def test_a_step_uses_the_same_rows_whatever_the_number_of_ranks(world: int) -> None:
    shards = [list(ShuffledShard(32, rank, world)) for rank in range(world)]
    local = 8 // world
    steps = [
        {key.row for shard in shards for key in shard[step * local : (step + 1) * local]} for step in range(4)
    ]
    alone = [key.row for key in ShuffledShard(32, 0, 1)]
    assert steps == [set(alone[8 * step : 8 * step + 8]) for step in range(4)]


def test_each_epoch_has_another_order() -> None:
    shard = ShuffledShard(50, 0, 1)
    orders = []
    for epoch in range(3):
        shard.set_epoch(epoch)
        orders.append([key.row for key in shard])
    assert len({tuple(order) for order in orders}) == 3


def test_a_resumed_epoch_goes_on_once() -> None:
    shard = ShuffledShard(20, 0, 1)
    whole = list(shard)
    shard.skip = 12
    assert list(shard) == whole[12:]
    assert list(shard) == whole
