"""The queue is a ring: first in, first out, wrapping at its end."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unlabelled.nn.queue import FeatureQueue, FillingQueue


def _ids(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers).unsqueeze(1)


def test_first_in_first_out_of_the_worked_example() -> None:
    queue = FeatureQueue(8, 1)
    queue.push(_ids(10, 11, 20, 21))
    assert int(queue.pointer) == 4
    queue.push(_ids(12, 13, 22, 23))
    assert int(queue.pointer) == 0
    queue.push(_ids(14, 15, 24, 25))
    assert queue.rows.flatten().tolist() == [14, 15, 24, 25, 12, 13, 22, 23]
    assert int(queue.pointer) == 4


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 12), pushes=st.lists(st.integers(1, 30), max_size=8))
def test_it_holds_the_last_rows_whatever_is_pushed(size: int, pushes: list[int]) -> None:
    queue = FeatureQueue(size, 1)
    history: list[float] = []
    for count in pushes:
        rows = [float(len(history) + n) for n in range(count)]
        history += rows
        queue.push(_ids(*rows))
    pointer = int(queue.pointer)
    oldest_first = torch.cat([queue.rows[pointer:], queue.rows[:pointer]]).flatten().tolist()
    known = history[-size:]
    assert oldest_first[size - len(known) :] == known


def test_it_starts_with_random_directions_and_is_saved() -> None:
    queue = FeatureQueue(64, 16)
    torch.testing.assert_close(queue.rows.norm(dim=1), torch.ones(64))
    assert set(queue.state_dict()) == {"rows", "pointer"}
    other = FeatureQueue(64, 16)
    queue.push(torch.ones(3, 16))
    other.load_state_dict(queue.state_dict())
    assert torch.equal(other.rows, queue.rows)
    assert int(other.pointer) == 3
    with pytest.raises(ValueError, match="size=0"):
        FeatureQueue(0, 4)


@pytest.mark.parametrize(("pushed", "steps"), [(2160, 3), (500, 11)])
def test_a_queue_of_the_released_size_is_full_after_so_many_steps(pushed: int, steps: int) -> None:
    """SSPC's loss is active from the step after (docs/methods/sspc.md#queues)."""
    queue = FillingQueue(5500, 1)
    for step in range(1, steps + 1):
        assert not queue.is_full
        queue.push(torch.ones(pushed, 1))
        assert len(queue.filled_rows) == min(step * pushed, 5500)
    assert queue.is_full


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 12), pushes=st.lists(st.integers(0, 30), max_size=8))
def test_a_filling_queue_holds_what_was_pushed_and_nothing_else(size: int, pushes: list[int]) -> None:
    queue = FillingQueue(size, 1)
    history: list[float] = []
    assert queue.filled_rows.shape == (0, 1)
    for count in pushes:
        rows = [float(len(history) + n + 1) for n in range(count)]
        history += rows
        queue.push(torch.tensor(rows).reshape(-1, 1))
        assert sorted(queue.filled_rows.flatten().tolist()) == history[-size:]
        assert queue.is_full == (len(history) >= size)


def test_a_filling_queue_goes_on_where_it_was_saved() -> None:
    queue, other = FillingQueue(4, 2), FillingQueue(4, 2)
    queue.push(torch.full((3, 2), 7.0))
    assert set(queue.state_dict()) == {"rows", "pointer", "filled"}
    other.load_state_dict(queue.state_dict())
    for one in (queue, other):
        one.push(torch.full((2, 2), 9.0))
    assert torch.equal(queue.filled_rows, other.filled_rows)
    assert other.is_full
    assert queue.rows[0].tolist() == [9.0, 9.0]  # as pushed, not normalised
