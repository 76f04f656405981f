"""Anchors in numbers, against loops over samples."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from unlabelled.visualization.anchor_codes import (
    Codes,
    Labels,
    binary_codes,
    category_counts,
    category_distribution,
    category_table,
    information,
    informative_anchors,
    top_categories,
    usage_entropy,
)


def sample(seed: int, n: int = 60, num_anchors: int = 8, num_classes: int = 3) -> tuple[Codes, Labels]:
    """Random codes that have to do with the labels; some rows lack a label, some a code."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, num_classes, n)
    means = rng.normal(size=(num_classes + 1, num_anchors))
    codes = binary_codes(means[labels] + rng.normal(size=(n, num_anchors)), num_anchors // 2)
    codes[rng.random(n) < 0.1] = False
    return codes, labels


@given(st.integers(0, 999), st.integers(1, 6), st.booleans())
def test_binary_codes_are_the_largest_entries(seed: int, num_assigned: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    soft = rng.integers(0, 3, (5, 6)).astype(float) if tied else rng.normal(size=(5, 6))
    for row, code in zip(soft, binary_codes(soft, num_assigned), strict=True):
        best = sorted(range(6), key=lambda k: (-row[k], k))[:num_assigned]
        assert sorted(best) == np.flatnonzero(code).tolist()


@pytest.mark.parametrize("num_assigned", [0, 7])
def test_binary_codes_refuse_an_impossible_number(num_assigned: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 6"):
        binary_codes(np.zeros((2, 6)), num_assigned)


def test_binary_codes_refuse_what_is_not_finite() -> None:
    with pytest.raises(ValueError, match="not finite"):
        binary_codes(np.array([[0.0, math.nan]]), 1)


def test_usage_entropy_of_known_uses() -> None:
    same = np.tile([True, True, False, False], (9, 1))
    even = np.array([[True, True, False, False], [False, False, True, True]])
    assert usage_entropy(same) == 0
    assert usage_entropy(even) == pytest.approx(1)
    assert usage_entropy(np.ones((3, 4), dtype=bool)) == 1
    assert math.isnan(usage_entropy(np.zeros((3, 4), dtype=bool)))
    assert usage_entropy(np.eye(3, dtype=bool)[[0, 0, 1]]) == pytest.approx(
        entropy([2 / 3, 1 / 3]) / math.log(3)
    )


@given(st.integers(0, 999))
def test_usage_entropy_is_scipys_between_its_bounds(seed: int) -> None:
    codes, _ = sample(seed)
    raw = entropy(codes.sum(0))
    expected = (raw - math.log(4)) / (math.log(8) - math.log(4))
    assert usage_entropy(codes) == pytest.approx(expected, abs=1e-9)
    assert 0 <= usage_entropy(codes) <= 1


@given(st.integers(0, 999))
def test_categories_are_counted(seed: int) -> None:
    codes, labels = sample(seed)
    counts = category_counts(codes, labels, 3)
    for a in range(8):
        for b in range(8):
            both = [int(label) for code, label in zip(codes, labels, strict=True) if code[a] and code[b]]
            assert counts[a, b].tolist() == [both.count(c) for c in range(3)]
            total = sum(label >= 0 for label in both)
            expected = [both.count(c) / total if total else 0 for c in range(3)]
            np.testing.assert_allclose(category_distribution(codes, labels, 3, [a, b]), expected)
    known = [int(label) for code, label in zip(codes, labels, strict=True) if code.any() and label >= 0]
    overall = category_distribution(codes, labels, 3, [])
    np.testing.assert_allclose(overall, [known.count(c) / len(known) for c in range(3)])


def bits(counts: Any, overall: Any) -> float:
    """Return the divergence by scipy, minus its expectation by chance."""
    bias = (np.count_nonzero(overall) - 1) / (2 * counts.sum() * math.log(2))
    return float(entropy(counts / counts.sum(), overall, base=2) - bias)


@given(st.integers(0, 999))
def test_informative_anchors_and_pairs_are_the_best_of_all(seed: int) -> None:
    codes, labels = sample(seed)
    counts = category_counts(codes, labels, 3)
    overall = category_distribution(codes, labels, 3, [])
    for size in (1, 2):
        sets = [s for s in combinations(range(8), size) if counts[s[0], s[-1]].sum() >= 10]
        best = sorted(sets, key=lambda s: -bits(counts[s[0], s[-1]], overall))[:3]
        found = informative_anchors(counts, overall, 3, size)
        assert len(found) == len(best)
        for one, other in zip(found, best, strict=True):  # equally good ones may swap by rounding
            assert bits(counts[one[0], one[-1]], overall) == pytest.approx(
                bits(counts[other[0], other[-1]], overall)
            )


def test_chance_has_no_information_on_average() -> None:
    rng, overall = np.random.default_rng(0), np.full(4, 0.25)
    for m in (15, 400):
        uncorrected = 3 / (2 * m * math.log(2))
        mean = information(rng.multinomial(m, overall, 4000), overall).mean()
        assert abs(mean) < 0.1 * uncorrected  # what is left falls with m squared
    assert information(np.array([9, 0, 0, 0]), overall) == -math.inf


def test_anchors_of_too_few_samples_have_no_information() -> None:
    codes, labels = sample(0, n=9)
    counts = category_counts(codes, labels, 3)
    assert informative_anchors(counts, np.full(3, 1 / 3), 3, 2) == []


def test_top_categories_and_their_table() -> None:
    overall = np.array([0.5, 0.25, 0.25, 0.0])
    tops = top_categories(np.array([2, 6, 2, 0]), overall)
    assert [top.label for top in tops] == [1, 0, 2]
    assert tops[0].share == pytest.approx(0.6)
    assert tops[0].lift == pytest.approx(2.4)
    codes = np.array([[True, False], [True, False], [True, False]])
    labels = np.array([0, 0, 1])
    names = ["Käse|Brot", "cars"]
    table = category_table(category_counts(codes, labels, 2), np.array([2 / 3, 1 / 3]), names).splitlines()
    assert table[2] == "| 0 | 3 | Käse\\|Brot (67%, 1.0 times), cars (33%, 1.0 times) |"
    assert table[3] == "| 1 | 0 | none |"
    assert len(table) == 4
