"""The clusterer of features in one process, and the same from two with uneven shards."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.multiprocessing.spawn import start_processes

from unlabelled import distributed
from unlabelled.clustering import ClusterContext, KMeansClusterer, fit_centroids, fit_whitening
from unlabelled.clustering.centroids import gather_on_first
from unlabelled.clustering.lloyd import Fitted, Lloyd

SHARDS = (2100, 500)  # rows of each rank; more than travel at once


def context(clusters: int, head: int = 0, pass_index: int = 0, seed: int = 1) -> ClusterContext:
    return ClusterContext(head, clusters, num_modalities=1, seed=seed, pass_index=pass_index)


def blobs(spread: float = 0.3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(sum(SHARDS)) % 4
    return 4 * torch.eye(4, 6)[labels] + spread * torch.randn(len(labels), 6, generator=generator), labels


@pytest.mark.parametrize("options", [{}, {"spherical": True}, {"whitening": 3}])
def test_finds_blobs(options: dict[str, Any]) -> None:
    features, labels = blobs()
    before = features.clone()
    assignment = KMeansClusterer(restarts=8, **options)(features, context(4))
    assert len(torch.stack([assignment.labels, labels], 1).unique(dim=0)) == 4
    assert torch.equal(features, before)
    assert assignment.centroids is not None
    assert assignment.centroids.shape == (4, options.get("whitening", 6))
    assert (assignment.report["kmeans_empty"], assignment.shares) == (0, None)


def test_reports_inertia_and_iterations() -> None:
    from sklearn.cluster import KMeans  # the ranks, which import this module, need not wait for it

    features, _ = blobs(spread=2)
    assignment = KMeansClusterer(iterations=500, max_points_per_centroid=1000)(features, context(9))
    assert assignment.centroids is not None
    theirs = KMeans(9, init=assignment.centroids.numpy(), n_init=1).fit(features.numpy())
    assert assignment.report["kmeans_inertia"] == pytest.approx(theirs.inertia_, rel=1e-5)
    assert 1 < assignment.report["kmeans_iterations"] < 500
    assert KMeansClusterer(iterations=3)(features, context(9)).report["kmeans_iterations"] == 3


def test_reports_the_mean_cosine() -> None:
    features, _ = blobs()
    assignment = KMeansClusterer(spherical=True)(features, context(3))
    assert assignment.centroids is not None
    cosines = F.normalize(features, dim=1) @ assignment.centroids.T
    assert set(assignment.report) == {"kmeans_cosine", "kmeans_empty", "kmeans_iterations", "kmeans_splits"}
    assert assignment.report["kmeans_cosine"] == pytest.approx(float(cosines.amax(1).mean()), rel=1e-5)


def test_counts_clusters_that_stay_empty() -> None:
    features = torch.eye(3)[torch.arange(30) % 3]
    assignment = KMeansClusterer()(features, context(5))
    assert assignment.report["kmeans_empty"] == 5 - len(assignment.labels.unique())
    assert assignment.report["kmeans_empty"] >= 2
    assert assignment.report["kmeans_splits"] > 0


def test_seed_head_and_pass_decide_where_it_begins() -> None:
    features, _ = blobs(spread=3)
    clusterer = KMeansClusterer(iterations=1)
    contexts = [context(6), context(6, head=1), context(6, pass_index=1), context(6, seed=2)]
    first, *others = [clusterer(features, one).labels for one in contexts]
    assert torch.equal(first, KMeansClusterer(iterations=1)(features, contexts[0]).labels)
    assert not any(torch.equal(first, other) for other in others)
    clusterer.load_state_dict(clusterer.state_dict())


@pytest.mark.parametrize("options", [{}, {"spherical": True}, {"whitening": 3}])
def test_a_warm_start_keeps_the_numbers_of_clusters(options: dict[str, Any]) -> None:
    features, labels = blobs()
    warm = KMeansClusterer(warm_start=True, **options)
    assert not warm.renumbers_clusters
    assert not warm(features, context(4)).continued
    previous = torch.where(torch.rand(len(labels)) < 0.2, -1, (labels + 3) % 4)  # some have no label
    assignment = warm(features + 0.1, dataclasses.replace(context(4, pass_index=1), previous=previous))
    assert assignment.continued
    assert torch.equal(assignment.labels, (labels + 3) % 4)
    cold = KMeansClusterer(**options)(features, dataclasses.replace(context(4), previous=previous))
    assert not cold.continued


def test_a_warm_start_fills_empty_clusters() -> None:
    features, labels = blobs()
    previous = labels.clamp(max=2)  # two blobs have one label, and label 3 has no rows
    assignment = KMeansClusterer(warm_start=True)(
        features, dataclasses.replace(context(4), previous=previous)
    )
    assert assignment.report["kmeans_empty"] == 0
    known = labels < 2
    assert torch.equal(assignment.labels[known], labels[known])


def test_errors() -> None:
    with pytest.raises(ValueError, match="whitening is 0"):
        KMeansClusterer(whitening=0)
    with pytest.raises(ValueError, match="iterations is 0"):
        KMeansClusterer(iterations=0)
    with pytest.raises(ValueError, match="num_clusters is 9, expected 1 to 4"):
        KMeansClusterer()(torch.rand(4, 2), context(9))


def compute(rank: int, world_size: int) -> dict[str, Any]:
    """Everything that is compared, from this rank's rows."""
    start = sum(SHARDS[:rank])
    stop = start + SHARDS[rank] if world_size > 1 else sum(SHARDS)
    features = blobs(spread=1)[0][start:stop]
    counts = SHARDS if world_size > 1 else [len(features)]
    previous = dataclasses.replace(context(5), previous=torch.arange(start, stop) % 5)
    return {
        "euclidean": KMeansClusterer()(features, context(5)),
        "spherical": KMeansClusterer(spherical=True, restarts=2)(features, context(5)),
        "sampled": KMeansClusterer(max_points_per_centroid=300)(features, context(5)),
        "whitened": KMeansClusterer(whitening=3)(features, context(4)),
        "warm": KMeansClusterer(warm_start=True)(features, previous),
        "one_shard": fit_centroids(features if rank == 0 else features[:0], 3, 0),
        "covariance": fit_whitening(features, 6).variances,
        "gathered": gather_on_first(features, counts),
        "features": features,
        "errors": errors(rank, features),
    }


def errors(rank: int, features: Tensor) -> list[str]:
    """One rank has wrong input; all must raise an error, else the others would wait for ever."""
    messages = []
    spoilt = features.clone()
    if rank == dist_ranks() - 1:
        spoilt[5, 2] = torch.nan
    with pytest.raises(ValueError, match="NaN") as caught:
        fit_centroids(spoilt, 3, 0)
    messages.append(str(caught.value))
    with pytest.raises(ValueError, match="hold NaN"):
        fit_whitening(spoilt, 3)
    with pytest.raises(ValueError, match="num_clusters is 5000, expected 1 to 2600"):
        fit_centroids(features, 5000, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lloyd, "run", fail)
        with pytest.raises(RuntimeError) as failed:
            fit_centroids(features, 3, 0)
    messages.append(str(failed.value))
    return messages


def dist_ranks() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def fail(self: Lloyd, *_: object) -> Fitted:
    time.sleep(0.05)  # a few signs of life
    raise RuntimeError("out of memory")


def _process(rank: int, world_size: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.SIGN_OF_LIFE = 0.01
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world_size)
    torch.save(compute(rank, world_size), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    return compute(0, 1)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    # Importing torch takes seconds: the server does it once, and forks the ranks.
    torch.multiprocessing.set_forkserver_preload([__name__])
    folder: Path = tmp_path_factory.mktemp("ranks")
    start_processes(_process, (2, str(folder)), nprocs=2, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


@pytest.mark.parametrize("kind", ["euclidean", "spherical", "sampled", "whitened", "warm"])
def test_two_ranks_cluster_as_one(kind: str, alone: dict[str, Any], several: list[dict[str, Any]]) -> None:
    one, (first, second) = alone[kind], [rank[kind] for rank in several]
    assert torch.equal(torch.cat([first.labels, second.labels]), one.labels)
    assert torch.equal(first.centroids, second.centroids)
    torch.testing.assert_close(first.centroids, one.centroids, atol=1e-5, rtol=0)
    assert first.report == second.report == pytest.approx(one.report, rel=1e-5)


def test_a_shard_may_be_empty_and_only_the_first_rank_gathers(
    alone: dict[str, Any], several: list[dict[str, Any]]
) -> None:
    first, second = several
    assert torch.equal(first["one_shard"], second["one_shard"])
    assert torch.equal(first["gathered"], alone["features"])
    assert second["gathered"].shape == (0, 6)
    torch.testing.assert_close(first["covariance"], alone["covariance"])
    assert torch.equal(first["covariance"], second["covariance"])


def test_all_ranks_stop_at_an_error(alone: dict[str, Any], several: list[dict[str, Any]]) -> None:
    nans, failures = zip(*(rank["errors"] for rank in several), strict=True)
    assert nans == (alone["errors"][0],) * 2
    assert failures[0] == "out of memory"
    assert failures[1].startswith("rank 0 failed: ")
    assert "out of memory" in failures[1]
