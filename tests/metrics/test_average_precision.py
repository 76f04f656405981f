"""Average precision and the machines it judges: by hand, by its definition, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve
from sklearn.svm import SVC

from unlabelled.metrics import average_precision
from unlabelled.metrics.linear import draw_shots, one_vs_rest, svm_average_precision, unit_rows
from unlabelled.seeding import numpy_generator


def test_by_hand() -> None:
    """Ranking + - + - -: precision 1 up to recall 1/2, then 2/3."""
    scores, relevant = torch.tensor([5.0, 4, 3, 2, 1]), torch.tensor([1, 0, 1, 0, 0])
    assert average_precision(scores, relevant) == pytest.approx((1 + 2 / 3) / 2)
    # - + +: the best precision at a recall of at least 1/2 is that at recall 1.
    assert average_precision(torch.tensor([3.0, 2, 1]), torch.tensor([0, 1, 1])) == pytest.approx(2 / 3)
    ignored = torch.tensor([-1, 1, 1])
    assert average_precision(torch.tensor([3.0, 2, 1]), ignored) == 1
    assert math.isnan(average_precision(scores, torch.zeros(5)))
    with pytest.raises(ValueError, match=r"\(5,\) and relevant \(3,\)"):
        average_precision(scores, ignored)


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=40), st.randoms())
def test_is_the_area_under_the_upper_envelope(samples: list[tuple[int, bool]], random: object) -> None:
    scores = torch.tensor([float(score) for score, _ in samples])
    relevant = torch.tensor([int(truth) for _, truth in samples])
    if not relevant.any():
        return
    value = average_precision(scores, relevant)
    precision, recall, _ = precision_recall_curve(relevant.numpy(), scores.numpy())
    envelope = np.maximum.accumulate(precision[:-1])  # recall falls along the curve
    expected = float(np.sum(-np.diff(recall) * envelope))
    assert value == pytest.approx(expected)
    assert value >= average_precision_score(relevant.numpy(), scores.numpy()) - 1e-12
    order = torch.randperm(len(scores), generator=torch.Generator().manual_seed(len(samples)))
    assert average_precision(scores[order], relevant[order]) == pytest.approx(value)


def test_labels_against_the_rest() -> None:
    assert one_vs_rest(torch.tensor([1, 0]), 3).tolist() == [[0, 1, 0], [1, 0, 0]]
    several = torch.tensor([[1, -1], [0, 1]])
    assert torch.equal(one_vs_rest(several, 2), several)
    with pytest.raises(ValueError, match="classes from 0 to 1"):
        one_vs_rest(torch.tensor([2]), 2)
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        one_vs_rest(several, 3)


def test_draws_have_as_many_of_each_class_and_bring_all_labels() -> None:
    labels = torch.tensor([[1, 0], [1, 1], [0, 1], [0, -1], [1, 0], [0, 1]])
    rows = draw_shots(labels, 2, numpy_generator(0, "draw"))
    assert len(rows) == 4
    assert len(set(rows[:2].tolist())) == 2
    assert (labels[rows[:2], 0] == 1).all()
    assert (labels[rows[2:], 1] == 1).all()
    draws = {tuple(draw_shots(labels, 2, numpy_generator(0, "draw", n)).tolist()) for n in range(20)}
    assert len(draws) > 4
    assert torch.equal(rows, draw_shots(labels, 2, numpy_generator(0, "draw")))
    with pytest.raises(ValueError, match="class 0 has 3 training samples, fewer than the 4 shots"):
        draw_shots(labels, 4, numpy_generator(0))


def test_a_machine_ranks_like_another_solver() -> None:
    torch.manual_seed(0)
    centres = torch.randn(2, 8)
    labels = (torch.arange(120) % 3 == 0).long()
    features = unit_rows(centres[labels] + 1.2 * torch.randn(120, 8))
    train, test = (features[:80], labels[:80]), (features[80:], labels[80:])
    value = svm_average_precision(train, test, cost=0.5)
    other = SVC(kernel="linear", C=0.5, class_weight={1: 2, 0: 1}).fit(*(part.numpy() for part in train))
    expected = average_precision(torch.from_numpy(other.decision_function(test[0].numpy())), test[1])
    assert value == pytest.approx(expected, abs=0.03)  # the other one's hinge is not squared
    assert 0.5 < value < 1


def test_ignored_samples_do_not_teach() -> None:
    torch.manual_seed(0)
    features, labels = unit_rows(torch.randn(60, 4)), torch.arange(60) % 2
    clean = features[:40], labels[:40]
    wrong = features, torch.where(torch.arange(60) < 40, labels, -1)
    test = features[:40], labels[:40]
    assert svm_average_precision(wrong, test, 1.0) == svm_average_precision(clean, test, 1.0)
    with pytest.raises(ValueError, match="all alike"):
        svm_average_precision((features, torch.ones(60)), test, 1.0)


def test_rows_are_divided_by_their_norm_and_a_little() -> None:
    torch.testing.assert_close(unit_rows(torch.tensor([[3.0, 4.0]])), torch.tensor([[3.0, 4.0]]) / 5.00001)
    assert unit_rows(torch.zeros(1, 2)).tolist() == [[0, 0]]
