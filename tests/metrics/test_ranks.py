"""Ranks of matching rows: a worked example, brute force, duplicates; scores from ranks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unlabelled.metrics import (
    Ranks,
    geometric_mean_recall,
    listed_ties_scores,
    mean_by_id,
    pair_ranks,
    ranks,
    retrieval_scores,
)
from unlabelled.metrics.ranks import _tile_limits, count_duplicates, row_codes

SIMS = torch.tensor([[0.9, 0.1, 0.3, 0.2], [0.5, 0.5, 0.5, 0.1], [0.7, 0.2, 0.7, 0.1], [0.4, 0.8, 0.6, 0.3]])
"""Worked example (docs/methods/sspc.md#worked-examples); column i matches row i."""


def of_matrix(similarities: Tensor) -> Ranks:
    """Ranks of given similarities: they are the products with unit vectors."""
    return pair_ranks(similarities, torch.eye(len(similarities)))


def brute_force(queries: Tensor, gallery: Tensor) -> tuple[list[int], list[int]]:
    rows = (queries @ gallery.T).tolist()
    greater = [sum(score > row[i] for score in row) for i, row in enumerate(rows)]
    equal = [sum(score == row[i] for score in row) for i, row in enumerate(rows)]
    return greater, equal


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "_CPU_TILE", (4, 8))
    monkeypatch.setattr(ranks, "_STEP", 4)


def test_the_reference_example() -> None:
    found = of_matrix(SIMS)
    assert found.averaged.tolist() == [0, 1, 0.5, 3]
    assert found.optimistic.tolist() == [0, 0, 0, 3]
    assert found.pessimistic.tolist() == [0, 2, 1, 3]
    assert of_matrix(SIMS.T.contiguous()).averaged.tolist() == [0, 1, 0, 0]


def test_the_reference_scores() -> None:
    found = of_matrix(SIMS)
    averaged = retrieval_scores(found.averaged)
    assert list(averaged) == ["recall@1", "recall@5", "recall@10", "recall@50", "median_rank", "mean_rank"]
    assert (averaged["recall@1"], averaged["recall@5"]) == (0.25, 1)
    assert (averaged["median_rank"], averaged["mean_rank"]) == (1.75, 2.125)
    incomplete = retrieval_scores(found.averaged, 5)
    assert (incomplete["recall@1"], incomplete["recall@5"]) == (0.2, 0.8)
    assert (incomplete["median_rank"], incomplete["mean_rank"]) == (1.75, 2.125)
    best = retrieval_scores(found.optimistic)
    assert (best["recall@1"], best["median_rank"], best["mean_rank"]) == (0.75, 1, 1.75)
    worst = retrieval_scores(found.pessimistic)
    assert (worst["recall@1"], worst["median_rank"], worst["mean_rank"]) == (0.25, 2.5, 2.5)
    reverse = retrieval_scores(of_matrix(SIMS.T.contiguous()).averaged)
    assert (reverse["recall@1"], reverse["median_rank"], reverse["mean_rank"]) == (0.75, 1, 1.25)


def test_the_reference_scores_with_ties_listed() -> None:
    scores = listed_ties_scores(of_matrix(SIMS))
    assert (scores["recall@1"], scores["recall@5"], scores["recall@10"]) == (0.75, 1.75, 1.75)
    assert scores["median_rank"] == 2
    assert scores["mean_rank"] == 1 + 7 / 7  # places 0, 0, 1, 2, 0, 1, 3
    assert listed_ties_scores(of_matrix(SIMS), 8)["recall@1"] == 0.375


@given(st.lists(st.integers(0, 60), min_size=1, max_size=30), st.integers(0, 5))
def test_without_ties_both_ways_of_counting_agree(places: list[int], missing: int) -> None:
    found = Ranks(torch.tensor(places), torch.ones(len(places), dtype=torch.int64))
    scores = retrieval_scores(found.averaged, len(places) + missing)
    assert listed_ties_scores(found, len(places) + missing) == pytest.approx(scores)
    assert scores["median_rank"] == np.median(places) + 1
    assert scores["recall@10"] == sum(place < 10 for place in places) / (len(places) + missing)
    expected = math.prod(scores[f"recall@{k}"] for k in (1, 5, 10)) ** (1 / 3)
    assert geometric_mean_recall(scores) == pytest.approx(expected)


@settings(deadline=None, max_examples=80)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 40), dim=st.integers(1, 3), double=st.booleans())
@pytest.mark.usefixtures("small_tiles")
def test_ranks_are_those_of_brute_force(seed: int, n: int, dim: int, double: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Small integers: exact products, many ties between different rows, many copies.
    dtype = torch.float64 if double else torch.float32
    queries, gallery = (torch.randint(-2, 3, (n, dim), generator=generator).to(dtype) for _ in range(2))
    found = pair_ranks(queries, gallery)
    assert (found.greater.tolist(), found.equal.tolist()) == brute_force(queries, gallery)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dim", [3, 37, 300])
def test_copies_are_ties_wherever_they_stand(dtype: torch.dtype, dim: int) -> None:
    """Products may round the score of the same row differently at another index; in float64 they do here."""
    torch.manual_seed(0)
    rows = F.normalize(torch.randn(83, dim, dtype=dtype), dim=1)
    order = torch.randperm(83 * 30)
    gallery = rows.repeat(30, 1)[order]
    queries = torch.randn(len(gallery), dim, dtype=dtype)
    found = pair_ranks(queries, gallery)
    assert (found.equal == 30).all()
    assert (found.greater % 30 == 0).all()
    once = queries @ rows.T
    own = once.gather(1, (order % 83).unsqueeze(1))
    assert torch.equal(found.greater, 30 * (once > own).sum(1))


def test_tiles_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    gallery = F.normalize(torch.randn(700, 32), dim=1)
    queries = F.normalize(gallery + torch.randn(700, 32), dim=1)
    whole = pair_ranks(queries, gallery)
    monkeypatch.setattr(ranks, "_CPU_TILE", (64, 128))
    parts = pair_ranks(queries, gallery)
    assert torch.equal(whole.greater, parts.greater)
    assert torch.equal(whole.equal, parts.equal)
    assert whole.greater.unique().numel() > 20


def test_collapsed_features_are_at_chance() -> None:
    found = pair_ranks(torch.ones(31, 4), torch.ones(31, 4))
    assert (found.averaged == 15).all()
    assert retrieval_scores(found.averaged)["recall@10"] == 0


def test_half_precision_and_autocast_do_not_blur() -> None:
    torch.manual_seed(0)
    queries, gallery = torch.randn(2, 200, 16).half()
    plain = pair_ranks(queries.float(), gallery.float())
    assert torch.equal(pair_ranks(queries, gallery).greater, plain.greater)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(pair_ranks(queries.float(), gallery.float()).greater, plain.greater)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_cannot_be_ranked_is_refused(value: float) -> None:
    rows = torch.ones(5, 3)
    broken = rows.clone()
    broken[3, 1] = value
    for pair in ((broken, rows), (rows, broken)):
        with pytest.raises(ValueError, match="not finite"):
            pair_ranks(*pair)
    with pytest.raises(ValueError, match="overflow"):
        pair_ranks(rows * 1e20, rows * 1e20)
    with pytest.raises(ValueError, match="no queries"):
        pair_ranks(rows[:0], rows[:0])
    with pytest.raises(ValueError, match=r"\(5, 3\) and the gallery \(4, 3\)"):
        pair_ranks(rows, rows[:4])


def test_scores_that_cannot_be_counted_are_refused() -> None:
    places = torch.zeros(3)
    with pytest.raises(ValueError, match="complete_size is 2, but 3 items"):
        retrieval_scores(places, 2)
    with pytest.raises(ValueError, match="no queries"):
        retrieval_scores(places[:0], 2)
    with pytest.raises(ValueError, match="k must be at least 1"):
        retrieval_scores(places, ks=[0, 1])


def test_codes_depend_on_the_bits_only(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.randint(-1, 2, (500, 4)).float()  # 81 different rows, numbers with few digits
    codes = row_codes(rows)
    same = (rows.unsqueeze(1) == rows).all(2)
    assert torch.equal(codes.unsqueeze(1) == codes, same)
    assert torch.equal(count_duplicates(codes)[0], same.sum(1))
    monkeypatch.setattr("unlabelled.metrics.ranks._CHUNK", 7)
    assert torch.equal(row_codes(rows), codes)
    assert torch.equal(row_codes(-torch.zeros(1, 4)), row_codes(torch.zeros(1, 4)))


def test_means_of_items() -> None:
    features = torch.tensor([[1.0, 0], [3, 2], [10, 10], [5, 4]])
    means, ids = mean_by_id(features, torch.tensor([7, 2, 4, 7]))
    assert ids.tolist() == [2, 4, 7]
    assert means.tolist() == [[3, 2], [10, 10], [3, 2]]
    with pytest.raises(ValueError, match="expected"):
        mean_by_id(features, torch.arange(3))


@pytest.mark.parametrize("limits", [(1024, 2048), (4096, 8192)])
@pytest.mark.parametrize("dim", [64, 512, 6144])
def test_tiles_have_room(limits: tuple[int, int], dim: int) -> None:
    height, width = _tile_limits(limits, dim, torch.float32)
    assert width == 2 * height >= 128
    assert ((height + width) * dim + 2 * height * width) * 4 < 64 * 2**20
