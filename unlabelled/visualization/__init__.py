"""Figures of clusters, hierarchies, anchors and retrieval, by matplotlib without a display."""

from unlabelled.visualization.anchors import assignment_figure, category_figure
from unlabelled.visualization.clusters import cluster_class_matrix, cluster_gallery, cluster_sizes
from unlabelled.visualization.curves import degradation_curves
from unlabelled.visualization.dendrogram import dendrogram
from unlabelled.visualization.hierarchy_disk import hierarchy_disk
from unlabelled.visualization.localisation import localisation_clusters, localisation_overlays, success_curves
from unlabelled.visualization.reordered_similarity import reordered_similarity
from unlabelled.visualization.retrieved import retrieved_figure

__all__ = [
    "assignment_figure",
    "category_figure",
    "cluster_class_matrix",
    "cluster_gallery",
    "cluster_sizes",
    "degradation_curves",
    "dendrogram",
    "hierarchy_disk",
    "localisation_clusters",
    "localisation_overlays",
    "reordered_similarity",
    "retrieved_figure",
    "success_curves",
]
