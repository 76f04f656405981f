"""The choice of samples to show, against a search through all of them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlabelled.visualization import anchor_cases as cases
from unlabelled.visualization.anchor_cases import Relation, anchor_cases, confusing_sample, extreme_pair
from unlabelled.visualization.anchor_codes import Codes, Labels, binary_codes


def sample(seed: int, n: int = 20) -> tuple[Codes, Labels]:
    rng = np.random.default_rng(seed)
    return binary_codes(rng.normal(size=(n, 8)), 4), rng.integers(-1, 3, n)


def belongs(labels: Labels, i: int, j: int, relation: Relation) -> bool:
    if relation == "any":
        return True
    return min(labels[i], labels[j]) >= 0 and (labels[i] == labels[j]) == (relation == "same")


@pytest.mark.parametrize("block", [7, 1024])
@pytest.mark.parametrize("relation", ["any", "same", "different"])
@pytest.mark.parametrize("similar", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_extreme_pair_is_the_first_of_the_best(
    seed: int, similar: bool, relation: Relation, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cases, "_BLOCK", block)
    codes, labels = sample(seed)
    sign = 1 if similar else -1
    pairs = [p for p in combinations(range(20), 2) if belongs(labels, *p, relation)]
    best = min(pairs, key=lambda p: (sign * int((codes[p[0]] != codes[p[1]]).sum()), p))
    assert extreme_pair(codes, labels, relation, similar) == best


def test_there_may_be_no_such_pair() -> None:
    codes, _ = sample(0, 3)
    assert extreme_pair(codes, np.array([0, 0, -1]), "different", True) == ()
    assert extreme_pair(codes, np.array([0, 1, -1]), "same", True) == ()
    assert extreme_pair(codes[:1], np.array([0]), "any", True) == ()


def margins(media: Codes, text: Codes, labels: Labels) -> dict[tuple[int, int], float]:
    """Return the smaller margin of each sample and other category, by loops."""

    def alike(codes: Codes, i: int, c: int) -> float:
        others = [j for j in range(len(labels)) if labels[j] == c and j != i]
        return float(np.mean([(codes[i] & codes[j]).sum() for j in others])) if others else float("nan")

    found = {}
    for i in np.flatnonzero(labels >= 0):
        own = int(labels[i])
        for c in set(labels[labels >= 0].tolist()) - {own}:
            media_margin = alike(media, i, c) - alike(media, i, own)
            text_margin = alike(text, i, own) - alike(text, i, c)
            found[int(i), c] = (
                -np.inf if np.isnan(media_margin + text_margin) else min(media_margin, text_margin)
            )
    return found


@given(st.integers(0, 999), st.sampled_from([6, 20]))
def test_the_confusing_sample_has_the_largest_margins(seed: int, n: int) -> None:
    media, labels = sample(seed, n)
    text, _ = sample(seed + 1000, n)
    by_margin = margins(media, text, labels)
    best = max(by_margin.values(), default=-np.inf)
    found = confusing_sample(media, text, labels)
    if best <= 1e-6:
        assert found == ()
        return
    odd, relative, lookalike = found
    assert by_margin[odd, int(labels[lookalike])] == pytest.approx(best, abs=1e-5)
    assert labels[relative] == labels[odd] != labels[lookalike]
    assert relative != odd

    def lean(j: int) -> int:
        return int((media[odd] & media[j]).sum()) - int((text[odd] & text[j]).sum())

    own = [j for j in np.flatnonzero(labels == labels[odd]) if j != odd]
    assert lean(relative) == min(map(lean, own))
    assert lean(lookalike) == max(map(lean, np.flatnonzero(labels == labels[lookalike])))


def test_the_confusing_car() -> None:
    """One car that looks like food, with a text about a car, is found (Figure 3)."""
    cars, food = np.array([[1, 1, 0, 0]] * 3, bool), np.array([[0, 0, 1, 1]] * 2, bool)
    text, media = np.concatenate([cars, food]), np.concatenate([cars, food])
    media[1] = food[0]
    labels = np.array([0, 0, 0, 1, 1])
    assert confusing_sample(media, text, labels) == (1, 0, 3)
    assert confusing_sample(text, text, labels) == ()
    text[1] = False  # no text
    assert confusing_sample(media, text, labels) == ()


def test_cases_by_labels_and_modalities() -> None:
    codes, labels = sample(3)
    labelled = anchor_cases({"text": codes, "video": codes}, labels)
    assert [case.name for case in labelled] == [
        "similar_across",
        "different_within",
        "different_across",
        "confusing",
    ]
    assert "video" in labelled[0].title
    assert [case.name for case in anchor_cases({"audio": codes}, labels)] == [
        "similar_across",
        "different_within",
        "different_across",
    ]
    unlabelled = anchor_cases({"video": codes}, np.full(20, -1))
    assert [case.name for case in unlabelled] == ["similar", "different"]


def test_samples_without_the_modality_are_in_no_pair() -> None:
    codes, labels = sample(5)
    codes[::2] = False
    for case in anchor_cases({"video": codes, "text": sample(6)[0]}, labels):
        assert all(row % 2 for row in case.rows)
        if case.name == "similar_across":
            i, j = case.rows
            odd = [p for p in combinations(range(1, 20, 2), 2) if belongs(labels, *p, "different")]
            distance = [int((codes[a] != codes[b]).sum()) for a, b in odd]
            assert int((codes[i] != codes[j]).sum()) == min(distance)
