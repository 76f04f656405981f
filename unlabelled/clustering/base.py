"""What a clustering pass and a clusterer say to each other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from unlabelled.hierarchy.cluster_tree import ClusterTree


@dataclass(frozen=True)
class ClusterContext:
    """Which clustering is being made.

    Args:
        which: Index of the head, that is of the clustering among H independent ones.
        num_clusters: K.
        num_modalities: M, of how many modalities the log-probabilities in the scores are sums.
        seed: The run's seed; equal on all ranks.
        pass_index: How many passes were made before this one; 0 at the first.
        features: ``(n_local, D)``, what centroids are to be means of, if the method has said so.
    """

    head: int
    num_clusters: int
    num_modalities: int
    seed: int
    pass_index: int
    features: Tensor | None = None


@dataclass(frozen=True)
class Assignment:
    """One clustering of this rank's samples.

    Args:
        labels: ``(n_local,)`` int64, cluster of every row of the scores.
        report: Numbers worth logging, by name; equal on all ranks.
        shares: ``(K,)`` share of the samples that each cluster was meant to get, if the clusterer has a wish.
        centroids: ``(K, D)``, if the clusterer has them; equal on all ranks.
        hierarchy: The clusters' tree, if the clusterer makes one; equal on all ranks.
    """

    labels: Tensor
    report: dict[str, float] = field(default_factory=dict)
    shares: Tensor | None = None
    centroids: Tensor | None = None
    hierarchy: ClusterTree | None = None


class Clusterer(ABC):
    """Turns scores, sharded over the ranks by rows, into one cluster per row.

    Attributes:
        reads_features: Whether it clusters the features of a method that has some to be clustered
            (:class:`~unlabelled.contracts.LearnsFromAssignments`), in place of its scores. It gets them without a
            copy, and leaves them as they are.
        renumbers_clusters: Whether a number means another cluster in each pass, so that samples which a pass has
            not seen are left without a label.
    """

    reads_features: bool = False
    renumbers_clusters: bool = False

    @abstractmethod
    def __call__(self, scores: Tensor, context: ClusterContext) -> Assignment:
        """Cluster ``scores (n_local, K)``, which are the clusterer's own and may be overwritten."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs: tensors and builtins only."""

    @abstractmethod
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned."""
