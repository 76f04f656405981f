"""Sharded k-means against faiss, scikit-learn, brute force and docs/methods/selavi.md#worked-examples."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from torch import Tensor

from unlabelled.clustering import centroids, fit_centroids, kmeans, nearest_centroid
from unlabelled.clustering.centroids import draw_rows, sample_rows
from unlabelled.clustering.flat_search import FlatSearch, Step
from unlabelled.clustering.lloyd import Fitted, Lloyd

CPU = torch.device("cpu")


def rows(count: int = 600, dim: int = 5, seed: int = 0) -> Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def follow(lloyd: Lloyd, points: Tensor, first: Tensor) -> Fitted:
    with FlatSearch(points, len(first), lloyd.spherical, CPU) as search:
        return lloyd.follow(search, first)


@pytest.mark.parametrize("iterations", [1, 4, 300])
def test_steps_are_scikit_learns(iterations: int) -> None:
    points = rows()
    theirs = KMeans(7, init=points[:7].numpy(), n_init=1, max_iter=iterations, tol=0).fit(points.numpy())
    ours = follow(Lloyd(iterations), points, points[:7])
    torch.testing.assert_close(ours.centroids.numpy(), theirs.cluster_centers_, atol=1e-5, rtol=0)
    labels, distances = centroids.nearest_with_quality(points, ours.centroids, False)
    assert labels.tolist() == theirs.labels_.tolist()
    assert float(distances.sum()) == pytest.approx(theirs.inertia_, rel=1e-5)
    assert ours.iterations == min(iterations, theirs.n_iter_ - (theirs.n_iter_ < iterations))


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("restarts", [1, 3])
def test_equals_faiss_from_the_same_seed(spherical: bool, restarts: int) -> None:
    points = F.normalize(rows(), dim=1)
    solver = faiss.Kmeans(5, 6, niter=5, seed=3, spherical=spherical)
    solver.train(points.numpy())
    best = fit_centroids(points, 6, 3, spherical, iterations=5)
    torch.testing.assert_close(best, torch.from_numpy(solver.centroids), atol=1e-5, rtol=0)
    fitted = centroids.fit(points, 6, 3, Lloyd(5, restarts, spherical=spherical))
    sign = 1 if spherical else -1
    assert sign * fitted.objective >= sign * solver.obj[-1] - 1e-3
    if restarts > 1:
        alone = [centroids.fit(points, 6, 3 + n, Lloyd(5, 1, spherical=spherical)) for n in range(restarts)]
        assert sign * fitted.objective == max(sign * one.objective for one in alone)


def test_spherical_worked_example() -> None:
    points = F.normalize(torch.tensor([[1, 0], [0.9, 0.2], [0.7, 0.6], [0, 1], [0.1, 0.9], [-0.3, 1]]), dim=1)
    ours = follow(Lloyd(10, spherical=True), points, points[[0, 2]])
    expected = torch.tensor([[0.953192, 0.302366], [-0.059830, 0.998209]])
    torch.testing.assert_close(ours.centroids, expected, atol=1e-6, rtol=0)
    assert nearest_centroid(3 * points, ours.centroids, spherical=True).tolist() == [0, 0, 0, 1, 1, 1]


def test_spherical_centroids_do_not_look_at_lengths() -> None:
    points = rows()
    stretched = points * torch.linspace(0.1, 9, len(points))[:, None]
    ours = fit_centroids(stretched, 6, 0, spherical=True)
    torch.testing.assert_close(ours, fit_centroids(points, 6, 0, spherical=True), atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.norm(dim=1), torch.ones(6))


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10**6), count=st.integers(0, 40), clusters=st.integers(1, 40), spherical=st.booleans()
)
def test_nearest_is_that_of_brute_force(seed: int, count: int, clusters: int, spherical: bool) -> None:
    points, centres = 3 * rows(count, 4, seed), rows(clusters, 4, seed + 1)
    labels, quality = centroids.nearest_with_quality(points, centres, spherical)
    if spherical:
        table = F.normalize(points.double(), dim=1) @ F.normalize(centres.double(), dim=1).T
        best = table.amax(1)
    else:
        table = torch.cdist(points.double(), centres.double()).square()
        best = table.amin(1)
    assert labels.shape == (count,)
    torch.testing.assert_close(quality.double(), best, atol=1e-4, rtol=0)
    torch.testing.assert_close(table.gather(1, labels[:, None])[:, 0], best, atol=1e-4, rtol=0)


def test_nearest_of_many_blocks_and_of_half_precision() -> None:
    points, centres = rows(9000, 40), rows(50, 40, seed=1)
    expected = torch.cdist(points.double(), centres.double()).argmin(1)
    assert torch.equal(nearest_centroid(points, centres), expected)
    halves = points.bfloat16()
    assert torch.equal(nearest_centroid(halves, centres), nearest_centroid(halves.float(), centres))
    assert fit_centroids(halves, 3, 0).dtype == torch.float32


def test_an_empty_cluster_gets_half_of_the_largest() -> None:
    points = torch.cat([rows(90, seed=1), rows(10, seed=2) + 50])
    first = torch.stack([points[0], points[95], torch.full((5,), 1e4)])
    fitted = follow(Lloyd(1), points, first)
    torch.testing.assert_close(fitted.centroids[1], points[90:].mean(0))
    torch.testing.assert_close((fitted.centroids[0] + fitted.centroids[2]) / 2, points[:90].mean(0))
    assert fitted.splits == 1
    counts = nearest_centroid(points, follow(Lloyd(20), points, first).centroids).bincount(minlength=3)
    assert (counts > 5).all()


def test_repeated_rows_leave_clusters_empty_and_splits_are_counted() -> None:
    points = rows(2)[torch.arange(30) % 2]
    fitted = centroids.fit(points, 5, 0, Lloyd(4))
    assert fitted.splits > 0
    assert fitted.centroids.isfinite().all()
    torch.testing.assert_close(
        fitted.centroids[nearest_centroid(points, fitted.centroids)], points, atol=0.01, rtol=0
    )


def test_the_seed_decides() -> None:
    results = [fit_centroids(rows(), 8, seed, iterations=1) for seed in (1, 1, 2)]
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_the_number_of_threads_does_not_matter() -> None:
    points, before = rows(5000, 64), torch.get_num_threads()
    results = []
    for threads in (1, 4):
        torch.set_num_threads(threads)
        try:
            results.append(fit_centroids(points, 8, 0))
        finally:
            torch.set_num_threads(before)
    assert torch.equal(*results)


def test_the_search_uses_a_bounded_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    run, seen = Lloyd.run, []

    def recorded(self: Lloyd, points: Tensor, *arguments: Any) -> Fitted:
        seen.append(points)
        return run(self, points, *arguments)

    monkeypatch.setattr(Lloyd, "run", recorded)
    points = rows()
    fit_centroids(points, 5, 0, max_points_per_centroid=20)
    kmeans(points, 5, max_points_per_centroid=20)
    fit_centroids(points, 5, 1, max_points_per_centroid=20)
    assert [len(sample) for sample in seen] == [100, 100, 100]
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    found = (seen[0][:, None] == points).all(2).nonzero()[:, 1]
    assert len(found.unique()) == 100  # of the rows, and each once
    fit_centroids(points, 5, 0, max_points_per_centroid=120)
    assert seen[3].data_ptr() == points.data_ptr()  # all rows, and not a copy


def test_every_row_is_as_likely_to_be_drawn() -> None:
    times = np.zeros(10)
    for seed in range(3000):
        drawn = draw_rows(10, 3, seed)
        assert drawn.tolist() == sorted(set(drawn.tolist()))
        times[drawn] += 1
    assert np.abs(times - 900).max() < 5 * np.sqrt(3000 * 0.3 * 0.7)
    assert len(sample_rows(rows(10), [10], 10, 0)[0]) == 10


def test_a_gpu_gets_the_index_if_faiss_supports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = []

    def to_gpu(resources: object, gpu: int, index: object) -> object:
        moved.append((resources, gpu))
        return index

    def step(device: torch.device) -> Step:
        with FlatSearch(points, 4, False, device) as search:
            return search.step(points[:4])

    points = rows(3000)
    expected = step(CPU)
    assert torch.equal(step(torch.device("cuda", 3)).sums, expected.sums)
    assert not moved
    monkeypatch.setattr(faiss, "StandardGpuResources", lambda: "resources", raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", to_gpu, raising=False)
    found = step(torch.device("cuda", 3))
    assert moved == [("resources", 3)]
    assert torch.equal(found.labels, expected.labels)
    torch.testing.assert_close(found.sums, expected.sums)


@pytest.mark.parametrize(
    ("features", "num_clusters", "message"),
    [
        (torch.rand(4), 2, "of shape"),
        (torch.zeros(4, 2, dtype=torch.int64), 2, "floating point"),
        (torch.rand(4, 2), 5, "num_clusters is 5, expected 1 to 4"),
        (torch.rand(4, 2), 0, "num_clusters is 0, expected 1 to 4"),
        (torch.tensor([[0.0, 1], [torch.inf, 1], [torch.nan, 0]]), 1, "2 of 3 rows"),
    ],
)
def test_errors(features: Tensor, num_clusters: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_centroids(features, num_clusters, 0)


def test_rows_are_bad_where_their_squares_overflow() -> None:
    points = torch.tensor([[1e18, 1e18], [3e38, 0.0], [3e38, 3e38], [1e19, 1e19]])
    assert centroids.count_bad_rows(points) == 2  # the sum of the last row overflows nowhere
    with pytest.raises(ValueError, match="too large for float32"):
        centroids.nearest_centroid(points, points[:2])


def test_numbers_below_1_are_an_error() -> None:
    with pytest.raises(ValueError, match="max_points_per_centroid 0"):
        fit_centroids(rows(), 2, 0, max_points_per_centroid=0)
