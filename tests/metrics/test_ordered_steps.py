"""Ordered steps: a worked example, brute force, both recalls by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlabelled.metrics import ordered_steps, pooled_recall, step_hits, video_mean_recall
from unlabelled.seeding import numpy_generator

SCORES = np.array([[0.9, 0.8], [0.2, 0.1], [0.3, 0.7], [0.95, 0.6], [0.1, 0.2]])
"""A worked example: argmax per step, (3, 0), would violate the order."""


def test_the_reference_example() -> None:
    seconds = ordered_steps(SCORES)
    assert seconds.tolist() == [0, 2]
    assert SCORES[seconds, [0, 1]].sum() == pytest.approx(1.6)
    annotated = np.zeros((5, 2), dtype=bool)
    annotated[0:2, 0] = annotated[3:5, 1] = True
    assert step_hits(seconds, annotated) == (1, 2)


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 4), more=st.integers(0, 5), coarse=st.booleans())
def test_the_choice_is_the_best_of_all(seed: int, steps: int, more: int, coarse: bool) -> None:
    scores = numpy_generator(seed).normal(size=(steps + more, steps))
    scores = scores.round() if coarse else scores  # many equally good ones, negative ones
    seconds = ordered_steps(scores)
    assert (np.diff(seconds) > 0).all()
    assert seconds[0] >= 0
    assert seconds[-1] < len(scores)
    columns = np.arange(steps)
    best = max(scores[list(each), columns].sum() for each in combinations(range(len(scores)), steps))
    assert scores[seconds, columns].sum() == pytest.approx(best)


def test_as_many_seconds_as_steps_leave_no_choice() -> None:
    scores = -np.arange(16.0).reshape(4, 4)  # where the released code finds nothing
    assert ordered_steps(scores).tolist() == [0, 1, 2, 3]


def test_invalid_scores_raise_errors() -> None:
    with pytest.raises(ValueError, match="2 seconds cannot hold 3 steps"):
        ordered_steps(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="not finite"):
        ordered_steps(np.array([[0.0, np.nan], [0, 0]]))
    with pytest.raises(ValueError, match="expected"):
        ordered_steps(np.zeros(3))


def test_steps_that_a_video_does_not_show_do_not_count() -> None:
    annotated = np.array([[True, False, False], [True, False, False], [False, False, True]])
    assert step_hits(np.array([0, 1, 2]), annotated) == (2, 2)
    assert step_hits(np.array([2, 1, 0]), annotated) == (0, 2)


def test_both_recalls_by_hand() -> None:
    hits, steps, tasks = (np.array(column) for column in ([1, 0, 2, 0, 3], [1, 4, 4, 0, 3], [7, 7, 7, 7, 2]))
    assert video_mean_recall(hits, steps, tasks) == pytest.approx(((1 + 0 + 0.5) / 3 + 1) / 2)
    assert pooled_recall(hits, steps, tasks) == pytest.approx((3 / 9 + 1) / 2)
    with pytest.raises(ValueError, match="no video shows a step"):
        pooled_recall(hits[3:4], steps[3:4], tasks[3:4])
