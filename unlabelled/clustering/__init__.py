"""Cluster assignments without labels: optimal transport, k-means, and when and how to apply them."""

from unlabelled.clustering.alignment import (
    Alignment,
    ExactAlignment,
    GreedyAlignment,
    alignment_cost,
    exact_alignment,
    greedy_alignment,
)
from unlabelled.clustering.base import Assignment, ClusterContext, Clusterer
from unlabelled.clustering.kmeans import kmeans
from unlabelled.clustering.marginals import (
    GaussianMarginals,
    Marginals,
    ReleasedGaussianMarginals,
    UniformMarginals,
)
from unlabelled.clustering.schedule import Every, InverseQuadratic, PassClock, Schedule
from unlabelled.clustering.sinkhorn import SinkhornResult, sinkhorn_knopp
from unlabelled.clustering.sinkhorn_clusterer import SinkhornClusterer
from unlabelled.clustering.stopping import ColumnError, Progress, RowChange, StopRule

__all__ = [
    "Alignment",
    "Assignment",
    "ClusterContext",
    "Clusterer",
    "ColumnError",
    "Every",
    "ExactAlignment",
    "GaussianMarginals",
    "GreedyAlignment",
    "InverseQuadratic",
    "Marginals",
    "PassClock",
    "Progress",
    "ReleasedGaussianMarginals",
    "RowChange",
    "Schedule",
    "SinkhornClusterer",
    "SinkhornResult",
    "StopRule",
    "UniformMarginals",
    "alignment_cost",
    "exact_alignment",
    "greedy_alignment",
    "kmeans",
    "sinkhorn_knopp",
]
