"""Nearest neighbours, their vote and retrieval: worked examples, brute force, scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from unlabelled.metrics import (
    centred,
    cosine_pair,
    euclidean_pair,
    in_top,
    knn_accuracy,
    knn_predict,
    neighbours,
    recall_at_k,
    sharded_top_k,
)


def brute_force(queries: Tensor, bank: Tensor, ids: Tensor, k: int) -> list[list[int]]:
    """Sort everything by (similarity, id) in Python."""
    found = []
    for row in (queries @ bank.T).tolist():
        order = sorted(range(len(bank)), key=lambda column: (-row[column], int(ids[column])))
        found.append([int(ids[column]) for column in order[:k]])
    return found


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.tuples(st.integers(0, 9), st.integers(1, 30), st.integers(1, 3)),
    k=st.integers(1, 12),
    chunk=st.integers(1, 10),
)
def test_neighbours_are_those_of_brute_force_with_ties_by_id(
    seed: int, sizes: tuple[int, int, int], k: int, chunk: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    num_queries, num_rows, dim = sizes
    # Small integers: exact products, many ties, negative and zero similarities.
    queries = torch.randint(-2, 3, (num_queries, dim), generator=generator).float()
    bank = torch.randint(-2, 3, (num_rows, dim), generator=generator).float()
    ids = torch.randperm(num_rows, generator=generator) * 7
    labels = ids % 5
    near = sharded_top_k(queries, bank, labels, ids, k, chunk)
    assert near.ids.tolist() == brute_force(queries, bank, ids, k)
    assert torch.equal(near.labels, near.ids % 5)
    row_of = {int(identity): row for row, identity in enumerate(ids)}
    for query, row in enumerate(near.ids.tolist()):
        expected = bank[[row_of[identity] for identity in row]] @ queries[query]
        assert torch.equal(near.similarities[query], expected + 0.0)


def test_blocks_of_the_bank_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    queries, bank = cosine_pair(torch.randn(40, 8), torch.randn(500, 8))
    bank[250:] = bank[:250]  # each row twice
    given_ = queries, bank, torch.arange(500) % 7, torch.arange(500), 9
    whole = sharded_top_k(*given_)
    monkeypatch.setattr(neighbours, "_BLOCK", 64)
    parts = sharded_top_k(*given_, chunk=3)
    assert torch.equal(whole.ids, parts.ids)
    assert (whole.ids[:, 0] < 250).all()
    assert torch.equal(whole.ids[:, 1], whole.ids[:, 0] + 250)


def test_autocast_does_not_blur_similarities() -> None:
    torch.manual_seed(0)
    queries, bank = cosine_pair(torch.randn(20, 64), torch.randn(300, 64))
    given_ = queries, bank, torch.zeros(300).long(), torch.arange(300), 300
    plain = sharded_top_k(*given_)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (queries @ bank.T).dtype == torch.bfloat16
        cast = sharded_top_k(*given_)
    assert torch.equal(plain.ids, cast.ids)
    assert torch.equal(plain.similarities, cast.similarities)


def test_invalid_arguments_raise_errors() -> None:
    queries, bank, ids = torch.ones(2, 3), torch.ones(4, 3), torch.arange(4)
    with pytest.raises(ValueError, match="the bank is empty"):
        sharded_top_k(queries, bank[:0], ids[:0], ids[:0], 1)
    with pytest.raises(ValueError, match=r"shape \(2, 3\), the bank \(4, 2\)"):
        sharded_top_k(queries, bank[:, :2], ids, ids, 1)
    with pytest.raises(ValueError, match="one label per row"):
        sharded_top_k(queries, bank, torch.ones(4, 5), ids, 1)
    with pytest.raises(ValueError, match="not finite"):
        sharded_top_k(queries, bank / 0, ids, ids, 1)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        sharded_top_k(queries, bank, ids, ids, 0)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_the_vote_is_that_of_scikit_learn(temperature: float) -> None:
    torch.manual_seed(0)
    centres = torch.randn(6, 16)
    labels, truth = torch.arange(240) % 6, torch.arange(90) % 6
    bank = centres[labels] + 1.5 * torch.randn(240, 16)
    queries = centres[truth] + 1.5 * torch.randn(90, 16)
    near = sharded_top_k(*cosine_pair(queries, bank), labels, torch.arange(240), 20)
    votes = knn_predict(near.similarities, near.labels, 6, temperature)
    other = KNeighborsClassifier(
        20,
        metric="cosine",
        weights=lambda distance: np.exp((1 - distance) / temperature),
    ).fit(bank.numpy(), labels.numpy())
    probabilities = torch.from_numpy(other.predict_proba(queries.numpy()))
    torch.testing.assert_close(votes / votes.sum(1, keepdim=True), probabilities, atol=1e-5, rtol=1e-4)
    scores = knn_accuracy(near.similarities, near.labels, truth, 6, temperature)
    assert scores["accuracy"] == pytest.approx(other.score(queries.numpy(), truth.numpy()))
    assert 1 / 6 < scores["accuracy"] < scores["top5"]


def test_votes_by_hand() -> None:
    similarities = torch.tensor([[1.0, 0.5, 0.5, 0.0]])
    labels = torch.tensor([[2, 0, 0, 1]])
    votes = knn_predict(similarities, labels, 4, temperature=1.0)
    e = torch.e
    torch.testing.assert_close(
        votes, torch.tensor([[2 * e**-0.5, e**-1, 1.0, 0.0]], dtype=torch.float64), atol=1e-6, rtol=0
    )
    assert [bool(in_top(votes, torch.tensor([c]), 1)) for c in range(4)] == [True, False, False, False]
    assert [bool(in_top(votes, torch.tensor([c]), 2)) for c in range(4)] == [True, False, True, False]
    # Class 3 has no votes, and the top 5 of four classes does not include it.
    assert [bool(in_top(votes, torch.tensor([c]), 5)) for c in range(4)] == [True, True, True, False]
    tied = torch.tensor([[1.0, 1.0]])
    assert [bool(in_top(tied, torch.tensor([c]), 1)) for c in range(2)] == [True, False]


def test_a_small_temperature_does_not_overflow() -> None:
    votes = knn_predict(torch.tensor([[1.0, 0.9]]), torch.tensor([[1, 0]]), 2, temperature=1e-4)
    assert votes.tolist() == [[0.0, 1.0]]


def test_votes_that_cannot_be_counted_are_refused() -> None:
    similarity, label = torch.ones(1, 1), torch.tensor([[3]])
    with pytest.raises(ValueError, match="labels go from 3 to 3, expected 0 to 2"):
        knn_predict(similarity, label, 3)
    with pytest.raises(ValueError, match="temperature must be positive"):
        knn_predict(similarity, label, 4, 0.0)
    with pytest.raises(ValueError, match="labels go from -1"):
        knn_accuracy(similarity, label, torch.tensor([-1]), 4)
    with pytest.raises(ValueError, match="no labelled samples"):
        knn_accuracy(similarity[:0], label[:0], label[:0, 0], 4)


def recalls(pair: tuple[Tensor, Tensor], labels: Tensor, targets: Tensor, ks: list[int]) -> list[float]:
    near = sharded_top_k(*pair, labels, torch.arange(len(labels)), max(ks))
    return list(recall_at_k(near.labels, targets, ks).values())


def test_retrieval_with_and_without_centring() -> None:
    """By hand: docs/methods/sce.md#worked-examples."""
    bank = torch.tensor([[1.0, 0], [0, 1], [2, 1], [1, 3]])
    queries = torch.tensor([[1, 0.9], [0.2, 1], [3, 1]])
    labels, targets = torch.tensor([0, 1, 0, 1]), torch.tensor([1, 1, 0])
    assert recalls(cosine_pair(queries, bank), labels, targets, [1, 2]) == pytest.approx([2 / 3, 1])
    pair = cosine_pair(centred(queries), centred(bank))
    assert recalls(pair, labels, targets, [1, 2]) == [1, 1]


def test_retrieval_of_selavi() -> None:
    """Computed with facebookresearch/selavi, src/retrieval_utils.py; docs/methods/selavi.md."""
    bank = torch.tensor([[1, 0], [0.8, 0.6], [0, 1], [-1, 0]])
    queries = torch.tensor([[0.9, 0.1], [0.1, 0.9], [-0.5, 0.5]])
    labels, targets = torch.tensor([0, 1, 1, 2]), torch.tensor([1, 1, 0])
    for pair in (cosine_pair(queries, bank), euclidean_pair(queries, bank)):
        assert recalls(pair, labels, targets, [1, 2, 3, 4]) == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1])


def test_euclidean_neighbours_are_the_nearest() -> None:
    torch.manual_seed(0)
    queries, bank = torch.randn(30, 5) + 3, torch.randn(80, 5) * torch.rand(80, 1) + 3
    near = sharded_top_k(*euclidean_pair(queries, bank), torch.arange(80), torch.arange(80), 10)
    assert torch.equal(near.ids, torch.cdist(queries.double(), bank.double()).argsort(1)[:, :10])
    cosines = F.normalize(queries, dim=1) @ F.normalize(bank, dim=1).T
    assert not torch.equal(near.ids[:, 0], cosines.argmax(1))


def test_recall_searches_a_small_bank_as_a_whole() -> None:
    labels, targets = torch.tensor([[0, 1], [2, 2]]), torch.tensor([1, 1])
    assert recall_at_k(labels, targets, [1, 50]) == {1: 0.0, 50: 0.5}
    with pytest.raises(ValueError, match="no labelled queries"):
        recall_at_k(labels[:0], targets[:0], [1])
    with pytest.raises(ValueError, match="k must be at least 1"):
        recall_at_k(labels, targets, [0, 1])
