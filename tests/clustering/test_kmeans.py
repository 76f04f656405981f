from __future__ import annotations

import sys
from typing import Literal

import pytest
import torch

from unlabelled.clustering import kmeans
from unlabelled.clustering.lloyd import Lloyd
from unlabelled.metrics import adjusted_rand_index, contingency


def blobs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    return centres[labels] + torch.randn(300, 2, generator=generator), labels


def test_finds_blobs_and_is_reproducible() -> None:
    features, labels = blobs()
    found = kmeans(features, 3, seed=1, restarts=3)
    assert (found.shape, found.dtype) == ((300,), torch.int64)
    assert adjusted_rand_index(contingency(found, labels, 3, 3)) == 1.0
    assert torch.equal(found, kmeans(features, 3, seed=1, restarts=3))
    assert torch.equal(found, kmeans(features.double().t().contiguous().t(), 3, seed=1, restarts=3))


def test_spread_starts_find_distant_blobs_that_random_ones_miss() -> None:
    features, _ = blobs()
    groups = torch.arange(300) // 60
    features += 1000 * groups.unsqueeze(1)  # five groups far apart: two random starts in one are a trap

    def found(init: Literal["random", "k-means++"], seed: int) -> float:
        clusters = kmeans(features, 5, seed, init=init)
        return adjusted_rand_index(contingency(clusters, groups, 5, 5))

    assert [found("k-means++", seed) for seed in range(8)] == [1.0] * 8
    assert min(found("random", seed) for seed in range(8)) < 1
    with pytest.raises(ValueError, match=r"init='first'; expected one of random, k-means\+\+"):
        kmeans(features, 2, init="first")


def test_consecutive_seeds_share_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    features, _ = blobs()
    first, started = Lloyd.first, []

    def remember(self: Lloyd, points: torch.Tensor, num_clusters: int, seed: int) -> torch.Tensor:
        started.append(first(self, points, num_clusters, seed))
        return started[-1]

    monkeypatch.setattr(Lloyd, "first", remember)
    for seed in range(4):
        kmeans(features, 3, seed, restarts=5)
    starts = {tuple(start.flatten().tolist()) for start in started}
    assert (len(started), len(starts)) == (20, 20)
    kmeans(features, 3, seed=2)
    assert torch.equal(started[20], started[10])  # the first start does not depend on the number of restarts


def test_every_sample_has_its_nearest_centre() -> None:
    features = torch.rand(400, 5, generator=torch.Generator().manual_seed(2))
    found = kmeans(features, 7, iterations=100)
    centres = torch.stack([features[found == k].mean(0) for k in range(7)])
    assert (torch.cdist(features, centres).argmin(1) == found).double().mean() > 0.99


def test_a_subsample_still_labels_everything() -> None:
    features, labels = blobs()
    found = kmeans(features, 3, restarts=5, max_points_per_centroid=20)
    assert adjusted_rand_index(contingency(found, labels, 3, 3)) == 1.0


def test_as_many_clusters_as_samples_prints_no_warning(capfd: pytest.CaptureFixture[str]) -> None:
    features = torch.tensor([[0.0], [5.0], [9.0]])
    assert sorted(kmeans(features, 3).tolist()) == [0, 1, 2]
    assert capfd.readouterr().out == ""


def test_without_faiss_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r"unlabelled\[cpu\]"):
        kmeans(torch.rand(4, 2), 2)


@pytest.mark.parametrize(
    ("features", "options", "message"),
    [
        (torch.rand(4), {"num_clusters": 2}, "of shape"),
        (torch.zeros(4, 2, dtype=torch.int64), {"num_clusters": 2}, "floating point"),
        (torch.rand(4, 2), {"num_clusters": 5}, "expected 1 to 4"),
        (torch.rand(4, 2), {"num_clusters": 2, "iterations": 0}, "iterations is 0"),
        (torch.full((4, 2), torch.nan), {"num_clusters": 2}, "NaN"),
    ],
)
def test_errors(features: torch.Tensor, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kmeans(features, **options)
