"""The clustering pass of methods that cluster what samples look like, not what augmentation makes of them."""

from __future__ import annotations

from typing import Any

from torch.utils.data import DataLoader

from callbacks.training.clustering_pass import ClusteringPass
from unlabelled.clustering.base import Clusterer
from unlabelled.clustering.schedule import Schedule
from unlabelled.contracts import TrainingSet


class FixedClusteringPass(ClusteringPass):
    """Cluster the training samples as they look in evaluation; training must find the clusters in any view.

    For k-means of features: clusters of augmented views would be, above all, clusters of how the views were
    augmented, which no other view of the sample can tell.

    Source: reference selavi.md section 9.1 (central crops).
    """

    def __init__(self, clusterer: Clusterer, schedule: Schedule) -> None:
        super().__init__(clusterer, schedule)

    def loader(self, data: TrainingSet, group: int) -> DataLoader[Any]:
        """Return the fixed view of all training rows."""
        return data.fixed_pass_dataloader()
