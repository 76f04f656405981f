"""Metrics: clusterings, hierarchies, retrieval, linear classifiers, localisation."""

from unlabelled.metrics.average_precision import average_precision, eleven_point_precision
from unlabelled.metrics.clustering import (
    adjusted_mutual_information,
    adjusted_rand_index,
    contingency,
    hungarian_accuracy,
    mean_entropy,
    mean_max_purity,
    normalized_mutual_information,
    weighted_purity,
)
from unlabelled.metrics.clustering_metric import ClusteringMetrics
from unlabelled.metrics.dendrogram import dendrogram_purity, level_scores, merged_rows
from unlabelled.metrics.hierarchy_scores import HierarchyScoring, rebuilt_trees
from unlabelled.metrics.input_statistics import input_statistics
from unlabelled.metrics.label_free import (
    agreement,
    effective_clusters,
    explained_share,
    mean_agreement,
    neighbour_consistency,
)
from unlabelled.metrics.linear import mean_class_accuracy
from unlabelled.metrics.logistic_regression import LinearClassifier, fit_logistic_regression
from unlabelled.metrics.neighbours import Neighbours, in_top, knn_accuracy, knn_predict, sharded_top_k
from unlabelled.metrics.ordered_steps import ordered_steps, pooled_recall, step_hits, video_mean_recall
from unlabelled.metrics.ranks import Ranks, pair_ranks
from unlabelled.metrics.retrieval import (
    centred,
    cosine_pair,
    euclidean_pair,
    geometric_mean_recall,
    listed_ties_scores,
    mean_by_id,
    recall_at_k,
    retrieval_scores,
)

__all__ = [
    "ClusteringMetrics",
    "HierarchyScoring",
    "LinearClassifier",
    "Neighbours",
    "Ranks",
    "adjusted_mutual_information",
    "adjusted_rand_index",
    "agreement",
    "average_precision",
    "centred",
    "contingency",
    "cosine_pair",
    "dendrogram_purity",
    "effective_clusters",
    "eleven_point_precision",
    "euclidean_pair",
    "explained_share",
    "fit_logistic_regression",
    "geometric_mean_recall",
    "hungarian_accuracy",
    "in_top",
    "input_statistics",
    "knn_accuracy",
    "knn_predict",
    "level_scores",
    "listed_ties_scores",
    "mean_agreement",
    "mean_by_id",
    "mean_class_accuracy",
    "mean_entropy",
    "mean_max_purity",
    "merged_rows",
    "neighbour_consistency",
    "normalized_mutual_information",
    "ordered_steps",
    "pair_ranks",
    "pooled_recall",
    "rebuilt_trees",
    "recall_at_k",
    "retrieval_scores",
    "sharded_top_k",
    "step_hits",
    "video_mean_recall",
    "weighted_purity",
]
