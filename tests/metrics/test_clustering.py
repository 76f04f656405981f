from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn
from torch import Tensor

from unlabelled.metrics import (
    ClusteringMetrics,
    adjusted_mutual_information,
    adjusted_rand_index,
    contingency,
    hungarian_accuracy,
    mean_entropy,
    mean_max_purity,
    normalized_mutual_information,
    weighted_purity,
)

TARGET = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2])
PRED = torch.tensor([0, 0, 1, 0, 1, 1, 2, 2, 2, 2, 0, 3])
MEASURES = {
    "nmi": normalized_mutual_information,
    "ari": adjusted_rand_index,
    "accuracy": hungarian_accuracy,
    "entropy": mean_entropy,
    "purity": mean_max_purity,
    "weighted_purity": weighted_purity,
}


def table(pred: Tensor, target: Tensor) -> Tensor:
    return contingency(pred, target, int(pred.max()) + 1, int(target.max()) + 1)


def test_contingency() -> None:
    assert table(PRED, TARGET).tolist() == [[3, 0, 1], [1, 2, 0], [0, 1, 3], [0, 0, 1]]
    assert contingency(PRED.int(), TARGET, 6, 4).shape == (6, 4)
    assert contingency(PRED[:0], TARGET[:0], 2, 2).tolist() == [[0, 0], [0, 0]]


def test_worked_example() -> None:
    counts = table(PRED, TARGET)
    assert normalized_mutual_information(counts) == pytest.approx(0.459921, abs=1e-6)
    assert adjusted_mutual_information(counts) == pytest.approx(0.246439, abs=1e-6)
    assert adjusted_rand_index(counts) == pytest.approx(0.211470, abs=1e-6)
    assert mean_entropy(counts) == pytest.approx(0.440296, abs=1e-6)
    assert mean_max_purity(counts) == pytest.approx(0.791667, abs=1e-6)
    assert weighted_purity(counts) == pytest.approx(9 / 12)
    assert hungarian_accuracy(counts) == pytest.approx(8 / 12)


def test_independent_groupings() -> None:
    counts = table(torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1]))
    assert normalized_mutual_information(counts) == pytest.approx(0, abs=1e-12)
    assert adjusted_rand_index(counts) == pytest.approx(-0.5)


@pytest.mark.parametrize("relabel", [[0, 1, 2], [2, 0, 1], [5, 0, 3]])
def test_perfect_groupings(relabel: list[int]) -> None:
    counts = table(torch.tensor(relabel)[TARGET], TARGET)  # the last leaves clusters empty
    values = {name: measure(counts) for name, measure in MEASURES.items()}
    expected = {"nmi": 1, "ari": 1, "accuracy": 1, "entropy": 0, "purity": 1, "weighted_purity": 1}
    assert values == pytest.approx(expected, abs=1e-12)
    assert adjusted_mutual_information(counts) == pytest.approx(1)


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 4)), min_size=1, max_size=60),
    empty=st.integers(0, 3),
)
def test_agrees_with_scikit_learn(groups: list[tuple[int, int]], empty: int) -> None:
    pred, target = torch.tensor(groups).t()
    counts = contingency(pred, target, 8 + empty, 5)
    close = {"abs": 1e-9}
    nmi, ami, ari = (
        sklearn.normalized_mutual_info_score(target, pred),
        sklearn.adjusted_mutual_info_score(target, pred),
        sklearn.adjusted_rand_score(target, pred),
    )
    assert normalized_mutual_information(counts) == pytest.approx(nmi, **close)
    assert adjusted_mutual_information(counts) == pytest.approx(ami, **close)
    assert adjusted_rand_index(counts) == pytest.approx(ari, **close)


def test_adjusted_mutual_information_of_many_clusters() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(40, (6000,), generator=generator)
    noise = torch.randint(60, (6000,), generator=generator)
    pred = torch.where(torch.rand(6000, generator=generator) < 0.5, target, noise)
    expected = sklearn.adjusted_mutual_info_score(target, pred)
    assert adjusted_mutual_information(table(pred, target)) == pytest.approx(expected, abs=1e-9)


def test_one_sample_and_all_alone_as_scikit_learn() -> None:
    for groups in (torch.tensor([0]), torch.arange(6)):
        counts = table(groups, groups)
        assert adjusted_mutual_information(counts) == pytest.approx(1)
        assert adjusted_rand_index(counts) == 1
        assert normalized_mutual_information(counts) == pytest.approx(1)


@pytest.mark.parametrize("shape", [(2, 5), (5, 2)])
def test_clusters_or_classes_in_excess_are_errors(shape: tuple[int, int]) -> None:
    counts = torch.ones(shape, dtype=torch.int64)
    assert hungarian_accuracy(counts) == pytest.approx(0.2)


def test_chance_entropy_is_the_logarithm_of_the_number_of_classes() -> None:
    counts = torch.ones(4, 309)
    counts[1] = 0  # an empty cluster does not count
    assert mean_entropy(counts) == pytest.approx(math.log(309))
    assert mean_max_purity(counts) == pytest.approx(1 / 309)


def test_large_counts_do_not_overflow() -> None:
    counts = torch.diag(torch.full((3,), 3_000_000_000))
    assert adjusted_rand_index(counts) == pytest.approx(1)
    assert normalized_mutual_information(counts) == pytest.approx(1)


def test_errors() -> None:
    with pytest.raises(ValueError, match="pred holds values from 0 to 3, expected 0 to 2"):
        contingency(PRED, TARGET, 3, 3)
    with pytest.raises(ValueError, match="target holds values from -1"):
        contingency(PRED, TARGET - 1, 4, 3)
    with pytest.raises(ValueError, match=r"expected \(n,\) twice"):
        contingency(PRED, TARGET[:3], 4, 3)
    for measure in [*MEASURES.values(), adjusted_mutual_information]:
        with pytest.raises(ValueError, match="empty"):
            measure(torch.zeros(3, 3))
        with pytest.raises(ValueError, match=r"expected \(clusters, classes\)"):
            measure(torch.ones(3))


# ---- the accumulating metric ----


def test_metric_accumulates_heads_over_batches() -> None:
    heads = torch.stack([PRED, TARGET, 3 - PRED], 1)
    metric = ClusteringMetrics(num_heads=3, num_clusters=4, num_classes=3)
    for rows in (slice(0, 5), slice(5, 6), slice(6, 12)):
        metric.update(heads[rows], TARGET[rows])
    values = metric.compute()
    assert set(values) == set(MEASURES)
    for name, measure in MEASURES.items():
        expected = [measure(contingency(heads[:, h], TARGET, 4, 3)) for h in range(3)]
        assert values[name].shape == (3,)
        assert values[name].tolist() == pytest.approx(expected, abs=1e-6)
    metric.reset()
    assert int(metric.tables.sum()) == 0


def test_metric_errors() -> None:
    metric = ClusteringMetrics(num_heads=2, num_clusters=4, num_classes=3)
    with pytest.raises(ValueError, match=r"expected \(batch, 2\) and \(batch,\)"):
        metric.update(PRED, TARGET)
    with pytest.raises(ValueError, match="num_heads is 0"):
        ClusteringMetrics(0, 4, 3)
