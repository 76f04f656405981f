"""The clustering pass over samples without augmentation."""

from __future__ import annotations

from typing import Any

from torch.utils.data import DataLoader

from callbacks.training.clustering_pass import ClusteringPass
from unlabelled.clustering.base import Clusterer
from unlabelled.clustering.schedule import Schedule
from unlabelled.contracts import TrainingSet


class FixedClusteringPass(ClusteringPass):
    """Cluster the training samples with the evaluation transform.

    k-means of the features of augmented views would mostly separate augmentations, which cannot be predicted
    from another view of the sample.

    Source: facebookresearch/deepcluster, main.py (centre crops); docs/methods/selavi.md#deepcluster.
    """

    def __init__(self, clusterer: Clusterer, schedule: Schedule) -> None:
        super().__init__(clusterer, schedule)

    def loader(self, data: TrainingSet, group: int) -> DataLoader[Any]:
        """Return the loader of all training samples with the evaluation transform."""
        return data.fixed_pass_dataloader()
