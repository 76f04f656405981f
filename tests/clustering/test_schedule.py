from __future__ import annotations

import pytest

from unlabelled.clustering import Every, InverseQuadratic, PassClock, Schedule

INDICES = [0, 1, 2, 3, 10, 25, 50, 75, 98, 99]
ENDS = [(21891.584007, 32698.242122, 33200), (19054.178145, 32532.680339, 33200)]


def fired(schedule: Schedule, steps_per_epoch: int, max_epochs: int) -> list[int]:
    clock = PassClock(schedule.due_steps(steps_per_epoch, max_epochs))
    steps = []
    for step in range(steps_per_epoch * max_epochs):
        if clock.due(step):
            clock.advance()
            steps.append(step)
    return steps


@pytest.mark.parametrize(
    ("power", "thresholds", "first", "last", "early", "late"),
    [
        (
            1.5,
            [
                0,
                33.704298,
                95.330152,
                175.132672,
                1065.8235,
                4213.037306,
                11916.268995,
                *ENDS[0],
            ],
            [0, 34, 96, 176, 270, 377],
            32699,
            14,
            17,
        ),
        (
            2.0,
            [0, 3.387409, 13.549638, 30.486685, 338.740945, 2117.130905, 8468.52362, *ENDS[1]],
            [0, 4, 14, 31, 55, 85],
            32533,
            23,
            13,
        ),
    ],
)
def test_vgg_sound(
    power: float, thresholds: list[float], first: list[int], last: int, early: int, late: int
) -> None:
    schedule = InverseQuadratic(100, power)
    due = schedule.due_steps(166, 200)
    assert [due[i] for i in INDICES] == pytest.approx(thresholds, abs=1e-6)
    steps = fired(schedule, 166, 200)
    assert len(steps) == 99
    assert (steps[:6], steps[-1]) == (first, last)
    assert sum(step < 10 * 166 for step in steps) == early
    assert sum(step >= 150 * 166 for step in steps) == late


@pytest.mark.parametrize(
    ("power", "first", "last"), [(2.0, [0, 1, 2, 3, 4, 5], 588), (1.5, [0, 1, 2, 4, 5, 7], 591)]
)
def test_thresholds_that_fall_together_spill(power: float, first: list[int], last: int) -> None:
    steps = fired(InverseQuadratic(100, power), 3, 200)
    assert (steps[:6], steps[-1], len(steps)) == (first, last, 99)


def test_selas_times_in_epochs() -> None:
    due = [step / 100_000 for step in InverseQuadratic().due_steps(40_101, 1000)]
    assert [due[i] for i in (0, 1, 2, 50, 98)] == pytest.approx(
        [0, 0.040915, 0.163661, 102.288032, 392.949703], abs=1e-6
    )


def test_a_single_pass_is_at_the_start() -> None:
    assert InverseQuadratic(num_passes=1).due_steps(7, 3) == [0.0]


def test_every() -> None:
    assert fired(Every(steps=4), 5, 2) == [0, 4, 8]
    assert fired(Every(epochs=2), 5, 5) == [0, 10, 20]


def test_a_repeated_query_of_a_step_makes_one_pass() -> None:
    """With gradient accumulation several batches see the same optimiser step."""
    clock = PassClock([0.0, 0.5, 3.0])
    seen = []
    for step in [0, 0, 1, 1, 1, 2, 3]:
        if clock.due(step):
            assert clock.due(step)  # asking changes nothing
            clock.advance()
            seen.append(step)
    assert seen == [0, 1, 3]


def test_one_pass_may_answer_for_all_thresholds_so_far() -> None:
    clock = PassClock([0.0, 0.5, 3.0, 9.0])
    assert clock.due(3)
    clock.advance_past(3)
    assert clock.done == 3
    assert [step for step in range(3, 12) if clock.due(step)] == [9, 10, 11]


@pytest.mark.parametrize("stop", [0, 1, 5, 17])
def test_a_resumed_clock_continues(stop: int) -> None:
    due = InverseQuadratic(30).due_steps(5, 8)
    unbroken, first, second = [], PassClock(due), PassClock(due)
    whole = PassClock(due)
    resumed = []
    for step in range(40):
        if whole.due(step):
            whole.advance()
            unbroken.append(step)
    for clock, steps in ((first, range(stop)), (second, range(stop, 40))):
        if clock is second:
            second.load_state_dict(first.state_dict())
        for step in steps:
            if clock.due(step):
                clock.advance()
                resumed.append(step)
    assert resumed == unbroken


def test_errors() -> None:
    for wrong in ({"num_passes": 0}, {"power": 0.0}):
        with pytest.raises(ValueError, match="InverseQuadratic"):
            InverseQuadratic(**wrong)
    for wrong in ({}, {"steps": 3, "epochs": 1}):
        with pytest.raises(ValueError, match="exactly one"):
            Every(**wrong)
    with pytest.raises(ValueError, match="a number >= 1"):
        Every(epochs=0)
    with pytest.raises(ValueError, match=r"set trainer\.max_epochs"):
        Every(steps=1).due_steps(10, -1)
    with pytest.raises(ValueError, match="sorted"):
        PassClock([1.0, 0.0])
    with pytest.raises(ValueError, match="made 3 passes"):
        PassClock([0.0]).load_state_dict({"done": 3, "last_step": 9})
    clock = PassClock([])
    assert not clock.due(0)
    with pytest.raises(RuntimeError, match="all 0 passes"):
        clock.advance()
