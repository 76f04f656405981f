"""Measures of what was learned."""

from unlabelled.metrics.average_precision import average_precision
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
from unlabelled.metrics.knn import in_top, knn_accuracy, knn_predict
from unlabelled.metrics.neighbours import Neighbours, sharded_top_k
from unlabelled.metrics.retrieval import centred, cosine_pair, euclidean_pair, recall_at_k

__all__ = [
    "ClusteringMetrics",
    "Neighbours",
    "adjusted_mutual_information",
    "adjusted_rand_index",
    "average_precision",
    "centred",
    "contingency",
    "cosine_pair",
    "euclidean_pair",
    "hungarian_accuracy",
    "in_top",
    "knn_accuracy",
    "knn_predict",
    "mean_entropy",
    "mean_max_purity",
    "normalized_mutual_information",
    "recall_at_k",
    "sharded_top_k",
]
