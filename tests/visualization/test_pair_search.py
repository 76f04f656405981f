"""A few searches, against sorting all scores."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import rankdata

from unlabelled.visualization.pair_search import search_pairs


@pytest.mark.parametrize("tied", [True, False])
def test_searches_are_those_of_a_sorted_gallery(tied: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    queries, gallery = torch.randn(2, 40, 4, generator=generator)
    if tied:
        queries, gallery = queries.round(), gallery.round()
    ids = torch.randperm(40, generator=generator) * 3
    chosen = torch.tensor([999, *ids[[7, 3, 39]].tolist()])
    found = search_pairs(queries, gallery, ids, chosen, 5)
    assert found.size == 40
    assert found.queries.tolist() == sorted(chosen[1:].tolist())
    for number, query in enumerate(found.queries.tolist()):
        row = ids.tolist().index(query)
        scores = (gallery @ queries[row]).tolist()
        order = sorted(range(40), key=lambda j: (-scores[j], int(ids[j])))[:5]
        assert found.ids[number].tolist() == ids[order].tolist()
        assert found.similarities[number].tolist() == pytest.approx([scores[j] for j in order])
        assert found.places[number] == rankdata([-score for score in scores])[row]


def test_a_small_gallery_is_shown_as_a_whole() -> None:
    features = torch.eye(3)
    found = search_pairs(features, features, torch.arange(3), torch.tensor([1]), 5)
    assert found.ids.tolist() == [[1, 0, 2]]
    assert found.places.tolist() == [1.0]


def test_no_query_may_be_left() -> None:
    found = search_pairs(torch.eye(3), torch.eye(3), torch.arange(3), torch.tensor([8]), 5)
    assert found.ids.shape == (0, 3)
    assert found.places.shape == (0,)
