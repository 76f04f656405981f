"""Clusterers, and the kernels that they consist of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from tests.gpu.inputs import Cases, Inputs
from unlabelled.clustering import (
    ClusterContext,
    Clusterer,
    CosineCentroids,
    DampedMultiSinkhorn,
    ExactAlignment,
    GaussianMarginals,
    GradedMultiSinkhorn,
    GreedyAlignment,
    HierarchicalClusterer,
    KMeansClusterer,
    MapClustering,
    Marginals,
    ReleasedGaussianMarginals,
    SinkhornClusterer,
    TreeClusterer,
    UniformMarginals,
    alignment_cost,
    cosine_kmeans,
    damped_multi_sinkhorn,
    euclidean_clusters,
    exact_alignment,
    fit_centroids,
    fit_whitening,
    graded_multi_sinkhorn,
    greedy_alignment,
    kmeans,
    nearest_centroid,
    sinkhorn_knopp,
)
from unlabelled.clustering.centroids import count_bad_rows, means_by_label, nearest_with_quality
from unlabelled.clustering.euclidean_maps import distances, nearest_distances, pair_contrast
from unlabelled.clustering.hierarchical import local_unit_sums, unit_sums
from unlabelled.clustering.map_clustering import cluster_maps, smooth_objective, squash, unit
from unlabelled.clustering.sinkhorn_clusterer import scale_in_place
from unlabelled.clustering.small_exponents import exp_, log_
from unlabelled.hierarchy import HypHC, Linkage, TripletEmbedding

_CONTEXT = ClusterContext(head=1, num_clusters=5, num_modalities=1, seed=0, pass_index=2)
_LINKAGE, _SINKHORN = Linkage(), SinkhornClusterer(tolerance=0.05)


def _labels(x: Inputs, clusterer: Clusterer) -> Any:
    features = x.groups(60, 8, 5)
    return clusterer(features.clone(), replace(_CONTEXT, features=features)).labels


def _sinkhorn(x: Inputs) -> Any:
    result = sinkhorn_knopp((x.groups(60, 5, 5) / 8).log_softmax(1) * 3)
    return result.labels, result.column_sums, result.mean_label_score


def _hierarchical(x: Inputs) -> Any:
    scores = x.groups(60, 5, 5).log_softmax(1)
    context = replace(_CONTEXT, features=x.normal(60, 8))
    assigned = HierarchicalClusterer(_SINKHORN, _LINKAGE)(scores, context)
    return assigned.labels, assigned.centroids


def _marginals(x: Inputs, marginals: Marginals) -> Any:
    return marginals(x.uniform(5).double() * 20, _CONTEXT, 100)


def _cosine_centroids(x: Inputs) -> Any:
    centroids, rows = x.placed(CosineCentroids(5, 8)), x.groups(60, 8, 5)
    centroids.fit(rows)
    return centroids.assign(rows)


def _map_clustering(x: Inputs) -> Any:
    layer = x.network(lambda: MapClustering(12, 5, 8))
    return layer(x.learned(x.normal(4, 9, 12)), x.mask(4, 9))


def _whitened(x: Inputs) -> Any:
    """Compare distances: axes of equal variance may be turned."""
    white = fit_whitening(x.normal(60, 8), 4)
    rows = white(x.normal(20, 8))
    return white.mean, white.variances, torch.cdist(rows, rows)


def _nearest(x: Inputs, spherical: bool) -> Any:
    return nearest_with_quality(x.groups(60, 8, 5), x.groups(5, 8, 5), spherical)


def _cost(x: Inputs) -> Any:
    return alignment_cost(x.uniform(40, 7), x.uniform(40, 7))


CLUSTERING: Cases = {
    "sinkhorn_knopp": _sinkhorn,
    "SinkhornClusterer": lambda x: _labels(x, _SINKHORN),
    "KMeansClusterer": lambda x: _labels(x, KMeansClusterer()),
    "KMeansClusterer: whitened, spherical": lambda x: _labels(
        x, KMeansClusterer(spherical=True, whitening=4)
    ),
    "TreeClusterer": lambda x: _labels(x, TreeClusterer(HypHC(TripletEmbedding(dim=2, epochs=2)))),
    "HierarchicalClusterer": _hierarchical,
    "UniformMarginals": lambda x: _marginals(x, UniformMarginals()),
    "GaussianMarginals": lambda x: _marginals(x, GaussianMarginals()),
    "ReleasedGaussianMarginals": lambda x: _marginals(x, ReleasedGaussianMarginals()),
    "kmeans": lambda x: kmeans(x.groups(60, 8, 5), 5),
    "kmeans: k-means++": lambda x: kmeans(x.groups(60, 8, 5), 5, init="k-means++"),
    "fit_centroids": lambda x: fit_centroids(x.groups(60, 8, 5), 5, seed=0),
    "nearest_centroid": lambda x: nearest_centroid(x.groups(60, 8, 5), x.groups(5, 8, 5)),
    "nearest_with_quality": lambda x: _nearest(x, spherical=False),
    "nearest_with_quality: cosine": lambda x: _nearest(x, spherical=True),
    "means_by_label": lambda x: means_by_label(x.normal(60, 8), x.integers(5, 60) - 1, 5),
    "count_bad_rows": lambda x: count_bad_rows(x.normal(6, 8) / x.mask(6, 8)),
    "fit_whitening": _whitened,
    "cosine_kmeans": lambda x: cosine_kmeans(x.groups(60, 8, 5), x.groups(5, 8, 5)),
    "CosineCentroids": _cosine_centroids,
    "damped_multi_sinkhorn": lambda x: damped_multi_sinkhorn(x.normal(2, 40, 12, scale=0.3), 6),
    "damped_multi_sinkhorn: released": lambda x: damped_multi_sinkhorn(
        x.normal(40, 12, scale=0.3), 6, order="code", denominator_eps=1e-5
    ),
    "graded_multi_sinkhorn": lambda x: graded_multi_sinkhorn(x.normal(40, 12, scale=0.3), 6),
    "DampedMultiSinkhorn": lambda x: DampedMultiSinkhorn()(x.normal(40, 12, scale=0.3)),
    "GradedMultiSinkhorn": lambda x: GradedMultiSinkhorn()(x.normal(40, 12, scale=0.3)),
    "MapClustering": _map_clustering,
    "cluster_maps": lambda x: cluster_maps(x.learned(x.normal(4, 5, 9, 8))),
    "smooth_objective": lambda x: smooth_objective(x.normal(4, 5, 9), 2.0, x.uniform(4, 9)),
    "squash": lambda x: squash(x.learned(x.normal(6, 8, scale=0.01))),
    "unit": lambda x: unit(x.learned(x.normal(6, 8))),
    "euclidean_clusters": lambda x: euclidean_clusters(x.learned(x.normal(4, 9, 12)), 3, sharpness=1.0),
    "distances": lambda x: distances(x.learned(x.normal(3, 5, 8)), x.normal(3, 7, 8)),
    "nearest_distances": lambda x: nearest_distances(x.learned(x.normal(3, 5, 8)), x.normal(3, 7, 8)),
    "pair_contrast": lambda x: pair_contrast(x.learned(x.uniform(9)), x.mask(9), 0.5),
    "alignment_cost": _cost,
    "exact_alignment": lambda x: exact_alignment(_cost(x)),
    "greedy_alignment": lambda x: greedy_alignment(_cost(x), num_candidates=500),
    "ExactAlignment": lambda x: ExactAlignment()(_cost(x), 0),
    "GreedyAlignment": lambda x: GreedyAlignment(500)(_cost(x), 0),
    "unit_sums": lambda x: unit_sums(x.normal(60, 8), x.integers(5, 60), 5),
    "local_unit_sums": lambda x: local_unit_sums(x.normal(60, 8), x.integers(5, 60), 5),
    "scale_in_place": lambda x: scale_in_place(x.normal(60, 8), 20.0),
    "exp_": lambda x: exp_(x.normal(60, 8)),
    "log_": lambda x: log_(x.uniform(60, 8) + 0.1),
}
