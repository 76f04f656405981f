"""The interface of clusterers, and what a clustering pass gives them and receives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from unlabelled.hierarchy.cluster_tree import ClusterTree


@dataclass(frozen=True)
class ClusterContext:
    """The head and the pass that a clusterer is called for.

    Args:
        head: Index of the head, from 0.
        num_clusters: K.
        num_modalities: M, number of modalities whose log-probabilities the scores sum.
        seed: The run's seed; equal on all ranks.
        pass_index: Number of passes before this one.
        features: ``(n_local, D)``, the features whose means are centroids; None: the method declares none
            (:class:`~unlabelled.contracts.LearnsFromAssignments`).
        previous: ``(n_local,)`` int64, labels of the rows before this pass, -1 for none; None: not known.
    """

    head: int
    num_clusters: int
    num_modalities: int
    seed: int
    pass_index: int
    features: Tensor | None = None
    previous: Tensor | None = None


@dataclass(frozen=True)
class Assignment:
    """One clustering of this rank's samples.

    Args:
        labels: ``(n_local,)`` int64, cluster of each row of the scores.
        report: Numbers to log, by name; equal on all ranks.
        shares: ``(K,)`` target share of the samples for each cluster; None: the clusterer has no target.
        centroids: ``(K, D)``, equal on all ranks; None: the clusterer computes none.
        hierarchy: Tree over the clusters, equal on all ranks; None: the clusterer builds none.
        continued: Whether the clusters are continued from those of the pass before, with their numbers.
    """

    labels: Tensor
    report: dict[str, float] = field(default_factory=dict)
    shares: Tensor | None = None
    centroids: Tensor | None = None
    hierarchy: ClusterTree | None = None
    continued: bool = False


class Clusterer(ABC):
    """Assigns each row of the scores, which are sharded over the ranks, to one cluster.

    Attributes:
        reads_features: Whether it clusters features instead of scores, if the method declares some
            (:class:`~unlabelled.contracts.LearnsFromAssignments`). They are passed without a copy and must
            not be changed.
        renumbers_clusters: Whether cluster numbers of one pass are unrelated to those of the pass before, so
            that samples that a pass does not label lose their old label.
    """

    reads_features: bool = False
    renumbers_clusters: bool = False

    @abstractmethod
    def __call__(self, scores: Tensor, context: ClusterContext) -> Assignment:
        """Cluster ``scores (n_local, K)``, which may be overwritten."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint, made of tensors and builtins."""

    @abstractmethod
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the result of ``state_dict``."""
