"""Cluster assignments without labels: optimal transport, k-means, trees, and the schedule of passes."""

from unlabelled.clustering.alignment import (
    Alignment,
    ExactAlignment,
    GreedyAlignment,
    alignment_cost,
    exact_alignment,
    greedy_alignment,
)
from unlabelled.clustering.base import Assignment, ClusterContext, Clusterer
from unlabelled.clustering.centroids import fit_centroids, nearest_centroid
from unlabelled.clustering.euclidean_maps import MapMeans, euclidean_clusters
from unlabelled.clustering.hierarchical import HierarchicalClusterer
from unlabelled.clustering.kmeans import kmeans
from unlabelled.clustering.kmeans_clusterer import KMeansClusterer
from unlabelled.clustering.map_clustering import MapClustering
from unlabelled.clustering.marginals import (
    GaussianMarginals,
    Marginals,
    ReleasedGaussianMarginals,
    UniformMarginals,
)
from unlabelled.clustering.multi_assignment import DampedMultiSinkhorn, GradedMultiSinkhorn, MultiAssignment
from unlabelled.clustering.multi_sinkhorn import damped_multi_sinkhorn, graded_multi_sinkhorn
from unlabelled.clustering.online_kmeans import CosineCentroids, cosine_kmeans
from unlabelled.clustering.schedule import Every, InverseQuadratic, PassClock, Schedule
from unlabelled.clustering.sinkhorn import RowChange, SinkhornResult, sinkhorn_knopp
from unlabelled.clustering.sinkhorn_clusterer import SinkhornClusterer
from unlabelled.clustering.tree_clusterer import TreeClusterer
from unlabelled.clustering.whitening import Whitening, fit_whitening

__all__ = [
    "Alignment",
    "Assignment",
    "ClusterContext",
    "Clusterer",
    "CosineCentroids",
    "DampedMultiSinkhorn",
    "Every",
    "ExactAlignment",
    "GaussianMarginals",
    "GradedMultiSinkhorn",
    "GreedyAlignment",
    "HierarchicalClusterer",
    "InverseQuadratic",
    "KMeansClusterer",
    "MapClustering",
    "MapMeans",
    "Marginals",
    "MultiAssignment",
    "PassClock",
    "ReleasedGaussianMarginals",
    "RowChange",
    "Schedule",
    "SinkhornClusterer",
    "SinkhornResult",
    "TreeClusterer",
    "UniformMarginals",
    "Whitening",
    "alignment_cost",
    "cosine_kmeans",
    "damped_multi_sinkhorn",
    "euclidean_clusters",
    "exact_alignment",
    "fit_centroids",
    "fit_whitening",
    "graded_multi_sinkhorn",
    "greedy_alignment",
    "kmeans",
    "nearest_centroid",
    "sinkhorn_knopp",
]
