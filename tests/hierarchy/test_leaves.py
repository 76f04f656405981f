from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from unlabelled.hierarchy import Leaves
from unlabelled.hierarchy.linkage import Linkage

FEATURES = np.array([[3.0, 0.0], [0.0, 0.5], [-1.0, 0.0], [1.0, 1.0]])


def test_similarities_are_those_of_directions() -> None:
    half = Leaves.from_features(FEATURES)
    expected = [[0, 0.5, 0, (1 + 0.5**0.5) / 2], [0.5, 0, 0.5, (1 + 0.5**0.5) / 2]]
    np.testing.assert_allclose(half.similarity[:2], expected, atol=1e-15)
    positive = Leaves.from_features(torch.tensor(FEATURES, dtype=torch.float32), "positive_cosine")
    np.testing.assert_allclose(positive.similarity[2], [0, 0, 0, 0], atol=1e-7)
    assert positive.similarity[0, 3] == pytest.approx(0.5**0.5)
    assert positive.similarity.dtype == np.float64
    assert positive.features is not None
    np.testing.assert_allclose(np.linalg.norm(positive.features, axis=1), 1)
    np.testing.assert_allclose(half.dissimilarity + half.similarity, 1 - np.eye(4))


def test_weights_are_sums_over_pairs_of_samples() -> None:
    leaves = Leaves.from_features(FEATURES, counts=[1, 2, 3, 4])
    assert leaves.weights[1, 3] == pytest.approx(8 * leaves.similarity[1, 3])
    assert len(leaves) == 4


def test_extreme_and_empty_features(caplog: pytest.LogCaptureFixture) -> None:
    rows = np.array([[1e200, 1e200], [1e-200, 0.0], [0.0, 0.0]])
    with caplog.at_level(logging.WARNING):
        leaves = Leaves.from_features(rows, "positive_cosine")
    assert leaves.similarity[0, 1] == pytest.approx(0.5**0.5)
    assert leaves.similarity[2].tolist() == [0, 0, 0]
    assert "1 of 3 features are all zeros" in caplog.text
    assert Linkage("ward").fit(leaves).tree.num_leaves == 3


def test_a_given_similarity_is_made_symmetric_with_a_zero_diagonal() -> None:
    given = np.array([[1.0, 0.2], [0.2 + 1e-9, 1.0]])
    leaves = Leaves.from_similarity(given)
    np.testing.assert_array_equal(leaves.similarity, leaves.similarity.T)
    assert leaves.similarity.diagonal().tolist() == [0, 0]
    assert given[0, 0] == 1  # not overwritten


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Leaves.from_features(np.ones(3)), r"shape \(3,\)"),
        (lambda: Leaves.from_features(np.ones((0, 3))), r"shape \(0, 3\)"),
        (lambda: Leaves.from_features([[np.nan, 1.0]]), "1 NaN or infinite"),
        (lambda: Leaves.from_features(FEATURES, "cosine"), "half_cosine or positive_cosine"),
        (lambda: Leaves.from_features(FEATURES, counts=[1, 2, 3]), "one positive number"),
        (lambda: Leaves.from_features(FEATURES, counts=[1, 2, 0, 1]), "drop empty clusters"),
        (lambda: Leaves.from_similarity(np.ones((2, 3))), r"shape \(2, 3\)"),
        (lambda: Leaves.from_similarity([[0, 1], [0.5, 0]]), "not symmetric"),
        (lambda: Leaves.from_similarity([[0, np.inf], [np.inf, 0]]), "all finite"),
    ],
)
def test_complaints(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()
