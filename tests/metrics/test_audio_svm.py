"""AudioSVM: the choice of the cost on training recordings, folds, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.metrics.test_one_vs_all import noisy
from unlabelled.metrics import audio_svm
from unlabelled.metrics.audio_svm import AudioSVM, Judgement, Recordings, judge, stratified_folds

COSTS = [1e-3, 1e-1, 10.0]


def by_hand(train: Recordings, folds: Tensor, rounds: list[int], costs: list[float]) -> tuple[float, float]:
    """Cost and accuracy of the best mean over inner folds."""
    means = []
    for cost in sorted(costs):
        parts = [(train.where(folds != fold), train.where(folds == fold)) for fold in rounds]
        means.append(np.mean([judge(*part, 3, cost).accuracy for part in parts]))
    best = int(np.argmax(means))  # the first of equals
    return sorted(costs)[best], float(means[best])


def test_folds_are_judged_in_turn_with_costs_chosen_on_the_others() -> None:
    data, folds = noisy(1, 45, noise=3.0), torch.arange(45) // 3 % 5 + 1
    results = AudioSVM(3, COSTS).cross_validated(data, folds, [1, 2, 3, 4, 5])
    for number, result in zip(range(1, 6), results, strict=True):
        train, test = data.where(folds != number), data.where(folds == number)
        others = [fold for fold in range(1, 6) if fold != number]
        cost, inner = by_hand(train, folds[folds != number], others, COSTS)
        assert (result.cost, result.inner_accuracy) == (cost, pytest.approx(inner))
        assert result.accuracy == pytest.approx(judge(train, test, 3, cost).accuracy)
        assert result.recordings == 9
        assert result.untested == 0
    assert len({result.cost for result in results} | {result.accuracy for result in results}) > 2


def test_one_round_holds_the_next_fold_out() -> None:
    data, folds = noisy(1, 45, noise=3.0), torch.arange(45) // 3 % 5 + 1
    results = AudioSVM(3, COSTS, inner_rounds=1).cross_validated(data, folds, [1, 2, 3, 4, 5])
    for number, result in zip(range(1, 6), results, strict=True):
        following = number % 5 + 1
        cost, inner = by_hand(data.where(folds != number), folds[folds != number], [following], COSTS)
        assert (result.cost, result.inner_accuracy) == (cost, pytest.approx(inner))


def test_the_cost_does_not_depend_on_test_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Recordings] = []

    def spy(train: Recordings, test: Recordings, *args: Any) -> Judgement:
        seen.extend([train, test])
        return judge(train, test, *args)

    monkeypatch.setattr(audio_svm, "judge", spy)
    train, test = noisy(1, 30), noisy(2, 12)
    test.features[...] += 1e9  # would be noticed
    AudioSVM(3, COSTS).held_out(train, test)
    *inner, whole, judged = seen
    assert len(inner) == 2 * 5 * len(COSTS)
    assert max(float(part.features.max()) for part in inner) < 1e8
    assert (len(whole), len(judged)) == (30, 12)
    for heads_of, held in zip(inner[::2], inner[1::2], strict=True):
        assert len(heads_of) + len(held) == 30
        ours = {tuple(row.tolist()) for row in heads_of.features[:, 0]}
        assert not ours & {tuple(row.tolist()) for row in held.features[:, 0]}  # recordings, not sub-clips


def test_equal_costs_go_to_the_smallest_and_one_needs_no_choice() -> None:
    train, test = noisy(1, 30, noise=0.01), noisy(2, 12, noise=0.01)
    assert AudioSVM(3, [1.0, 0.1, 10.0]).held_out(train, test).cost == 0.1
    result = AudioSVM(3, [5.0]).held_out(train, test)
    assert result.cost == 5.0
    assert np.isnan(result.inner_accuracy)


def test_errors_state_what_is_missing() -> None:
    train, test = noisy(1, 30), noisy(2, 12)
    with pytest.raises(ValueError, match="1 of 3 classes have no training recording, among them class 2"):
        AudioSVM(3, COSTS).held_out(train.where(train.labels != 2), test)
    with pytest.raises(ValueError, match="no test recording"):
        AudioSVM(3, COSTS).held_out(train, test.where(test.labels > 5))
    with pytest.raises(ValueError, match="a label 2, but only 2 classes"):
        AudioSVM(2, COSTS).held_out(train, test)
    assert AudioSVM(3, [1.0]).held_out(train, test.where(test.labels != 0)).untested == 1
    with pytest.raises(ValueError, match="no test recording"):  # all of fold 4 could not be read
        AudioSVM(3, [1.0]).cross_validated(train, torch.arange(30) // 3 % 3, [0, 1, 2, 4])


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(1, 6))
def test_inner_folds_are_stratified(sizes: list[int], count: int) -> None:
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    labels = labels[torch.from_numpy(np.random.default_rng(1).permutation(len(labels)))]
    folds = stratified_folds(labels, count, np.random.default_rng(0))
    for group in [folds, *(folds[labels == label] for label in torch.unique(labels))]:
        found = torch.bincount(group, minlength=count)
        assert len(found) == count
        assert int(found.max() - found.min()) <= 1
