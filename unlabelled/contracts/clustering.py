"""What a method offers to be clustered: pseudo-labels, hierarchies, anchors, centroids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from unlabelled.batch import Batch, Features
from unlabelled.clustering.base import Assignment
from unlabelled.clustering.pseudo_labels import PseudoLabels
from unlabelled.hierarchy.cluster_tree import ClusterTree


@runtime_checkable
class Clusterable(Protocol):
    """A method that trains on pseudo-labels and lets a callback renew them.

    The clustering pass remembers :meth:`embed` for each training sample, asks for the
    :meth:`cluster_scores` of one clustering (head) after the other, and publishes the new assignment in
    :attr:`pseudo_labels`.
    """

    num_clusterings: int
    num_clusters: int
    pseudo_labels: PseudoLabels

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}``, all that the pass remembers of a sample."""
        ...

    def prepare_clustering(self, features: Features, pass_index: int, seed: int) -> None:
        """Do what comes before an assignment, such as the alignment of modalities at the first pass."""
        ...

    def cluster_scores(self, features: Features, head: int) -> Tensor:
        """Return ``(n, K)``, or ``(n, D)`` for a clusterer of features, for one head."""
        ...

    def num_modalities(self, head: int) -> int:
        """Return of how many modalities the log-probabilities in the scores are sums."""
        ...


@runtime_checkable
class LearnsFromAssignments(Protocol):
    """A clusterable method that learns from more than labels: from prototypes, or from a tree of them."""

    def clustered_features(self, features: Features, head: int) -> Tensor:
        """Return ``(n, D)``, what the centroids of one head are to be means of."""
        ...

    def use_assignment(self, head: int, assignment: Assignment) -> None:
        """Take over the centroids or the hierarchy of a new assignment, whose labels are published."""
        ...


@runtime_checkable
class PredictsClusters(Protocol):
    """A method whose heads say which cluster a sample belongs to, from each modality alone."""

    num_clusterings: int
    num_clusters: int

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}``."""
        ...

    def log_probs(self, features: Features) -> dict[str, Tensor]:
        """Return ``{modality: (B, H, K)}`` log-probabilities; their sum is the joint prediction."""
        ...

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return ``features`` and ``cluster_log_probs`` of a batch."""
        ...


@runtime_checkable
class HasHierarchies(Protocol):
    """A method whose clusters are the leaves of trees.

    Its clusterings are ``num_heads`` for each of the :attr:`clustering_names`: clustering w is head
    ``w % num_heads`` of name ``w // num_heads``. ``evaluation_step`` returns ``cluster_log_probs``,
    ``{modality: (B, clusterings, K)}``, minus infinity for clusters that are no leaf; the clustering's
    prediction is the arg-max of the sum over modalities.

    Attributes:
        num_heads: H.
        num_clusters: K.
    """

    num_heads: int
    num_clusters: int

    @property
    def clustering_names(self) -> Sequence[str]:
        """What each group of H clusterings is made of, such as ``image`` or ``audio``."""
        ...

    @property
    def hierarchies(self) -> Sequence[ClusterTree | None]:
        """The tree of every clustering; None before its first pass."""
        ...


@runtime_checkable
class AssignsAnchors(Protocol):
    """A method that describes a sample by several of its anchors at once.

    ``evaluation_step`` returns ``anchor_scores``: ``{modality: (B, K)}``.

    Attributes:
        num_anchors: K.
        num_assigned: K', anchors that a sample gets.
    """

    num_anchors: int
    num_assigned: int

    def assign_anchors(self, scores: Tensor) -> Tensor:
        """Return the soft K'-hot codes ``(n, K)`` of ``scores (n, K)``, balanced over all ranks' rows."""
        ...


@runtime_checkable
class HasCentroids(Protocol):
    """A method that trains on the nearest of centroids, which a callback renews now and then."""

    def refresh_centroids(self) -> None:
        """Fit the centroids anew to what the method remembers; every rank comes to the same ones."""
        ...
