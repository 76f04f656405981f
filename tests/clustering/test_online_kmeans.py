"""Cosine k-means against docs/methods/selavi.md#worked-examples, scikit-learn, and its invariants."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from torch import Tensor

from unlabelled.clustering import CosineCentroids, cosine_kmeans


def blobs(seed: int = 0, per_blob: int = 40) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(3 * per_blob) % 3
    rows = 5 * torch.eye(3, 6)[labels] + 0.3 * torch.randn(len(labels), 6, generator=generator)
    return rows * (0.5 + torch.rand(len(labels), 1, generator=generator)), labels


def test_spherical_worked_example() -> None:
    points = F.normalize(
        torch.tensor([[1, 0], [0.9, 0.2], [0.7, 0.6], [0, 1], [0.1, 0.9], [-0.3, 1]], dtype=torch.float64),
        dim=1,
    )
    centroids = cosine_kmeans(points, points[[0, 2]], iterations=10, unit=True)
    expected = torch.tensor([[0.953192, 0.302366], [-0.059830, 0.998209]], dtype=torch.float64)
    torch.testing.assert_close(centroids, expected, atol=1e-6, rtol=0)


def test_equals_euclidean_kmeans_on_unit_rows() -> None:
    """On the sphere the nearest centroid by cosine is the nearest by distance, for unit centroids."""
    rows = F.normalize(blobs()[0].double(), dim=1)
    ours = cosine_kmeans(rows, rows[:3], unit=True)
    theirs = KMeans(3, init=rows[:3].numpy(), n_init=1, max_iter=100).fit(rows.numpy())
    assert torch.equal((rows @ ours.T).argmax(1), torch.as_tensor(theirs.labels_, dtype=torch.int64))
    means = F.normalize(torch.as_tensor(theirs.cluster_centers_), dim=1)
    torch.testing.assert_close(ours, means, atol=1e-9, rtol=0)


def test_centroids_are_means_of_the_rows_as_they_are() -> None:
    rows, labels = blobs()
    centroids = cosine_kmeans(rows, rows[:3])
    expected = torch.stack([rows[labels == k].mean(0) for k in range(3)])
    torch.testing.assert_close(centroids, expected)
    assert (centroids.norm(dim=1) > 2).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 12), distinct=st.integers(1, 20))
def test_every_centroid_is_finite_and_every_row_has_its_best(seed: int, count: int, distinct: int) -> None:
    """Also where rows are repeated, so that centroids run empty again and again."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(distinct, 4, generator=generator)[torch.arange(24) % distinct]
    centroids = CosineCentroids(count, 4, iterations=20, seed=seed)
    centroids.fit(rows)
    assert (centroids.centroids.norm(dim=1) > 0).all()
    cosines = F.normalize(rows, dim=1) @ F.normalize(centroids.centroids, dim=1).T
    picked = cosines.gather(1, centroids.assign(rows)[:, None])[:, 0]
    torch.testing.assert_close(picked, cosines.amax(1))
    if distinct >= count:
        assert len(centroids.assign(rows).unique()) == count


def test_an_empty_centroid_takes_the_farthest_row() -> None:
    rows = torch.tensor([[1.0, 0], [1, 0.1], [1, -0.1], [0.2, 1]])
    centroids = cosine_kmeans(rows, torch.tensor([[1.0, 0], [-1, 0]]), iterations=1)
    torch.testing.assert_close(centroids, torch.tensor([[1.0, 0], [0.2, 1]]))


def test_fits_start_warm_and_are_saved() -> None:
    rows, labels = blobs()
    module = CosineCentroids(3, 6, seed=1)
    with pytest.raises(RuntimeError, match="call fit first"):
        module.assign(rows)
    module.fit(rows)
    assert len(torch.stack([labels, module.assign(rows)], 1).unique(dim=0)) == 3
    first = module.centroids.clone()
    module.fit(rows.flip(0))
    torch.testing.assert_close(module.centroids, first)  # the same numbering, whatever order the rows are in
    other = CosineCentroids(3, 6, seed=2)
    other.load_state_dict(module.state_dict())
    assert torch.equal(other.assign(rows), module.assign(rows))


def test_the_seed_decides_where_it_begins() -> None:
    rows = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    results = []
    for seed in (0, 0, 1):
        module = CosineCentroids(6, 5, iterations=1, seed=seed)
        module.fit(rows)
        results.append(module.centroids)
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (torch.rand(2, 6), "2 rows cannot fill 3"),
        (torch.rand(9, 5), "expected"),
        (torch.full((9, 6), torch.nan), "9 of 9 rows"),
    ],
)
def test_errors(rows: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CosineCentroids(3, 6).fit(rows)
    with pytest.raises(ValueError, match="num_centroids is 0"):
        CosineCentroids(0, 6)
