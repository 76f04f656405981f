"""Measures of what was learned."""

from unlabelled.metrics.clustering import (
    adjusted_mutual_information,
    adjusted_rand_index,
    contingency,
    hungarian_accuracy,
    mean_entropy,
    mean_max_purity,
    normalized_mutual_information,
)
from unlabelled.metrics.clustering_metric import ClusteringMetrics

__all__ = [
    "ClusteringMetrics",
    "adjusted_mutual_information",
    "adjusted_rand_index",
    "contingency",
    "hungarian_accuracy",
    "mean_entropy",
    "mean_max_purity",
    "normalized_mutual_information",
]
