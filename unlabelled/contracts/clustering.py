"""Interfaces of methods with clusters: pseudo-labels, hierarchies, anchors, centroids.

A method that :class:`callbacks.ClusteringPass` can cluster implements :class:`Clusterable`: three attributes
and four methods, and keeps the labels in its checkpoint. The simplest way is to inherit from
``lightning_modules.self_labelled.SelfLabelled``, which implements all of this but
:meth:`Clusterable.cluster_scores`, or from ``ClusterPredictor`` there, which implements that too. In addition

- a method that learns from centroids or from a hierarchy, not from labels alone, implements
  :class:`LearnsFromAssignments`;
- a method whose clusters can be predicted for held-out samples implements :class:`PredictsClusters`, or
  :class:`HasHierarchies`; :class:`callbacks.ClusterEvaluation` evaluates these predictions.
"""

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
    """A method that learns pseudo-labels, which a clustering pass renews.

    A clustering pass calls, in this order:

    1. :meth:`embed` for each batch of the training set, in evaluation mode; it keeps the results;
    2. :meth:`prepare_clustering` once, with the features of the n samples;
    3. for each head, :meth:`cluster_scores` and :meth:`num_modalities`; the clusterer maps the scores to an
       assignment, whose labels the pass writes to column ``head`` of :attr:`pseudo_labels`.

    The method's ``training_step`` reads the labels by ``pseudo_labels.lookup(batch["index"])``. Its
    ``on_save_checkpoint`` stores ``pseudo_labels.table`` and its ``on_load_checkpoint`` restores it, or a run
    cannot be resumed.

    Attributes:
        num_clusterings: Number of heads, C: independent clusterings.
        num_clusters: K, clusters of each head.
        pseudo_labels: The labels of the training set, ``PseudoLabels(num_clusterings)``.
    """

    num_clusterings: int
    num_clusters: int
    pseudo_labels: PseudoLabels

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}``, all that a pass stores of a sample; zeros for a missing modality."""
        ...

    def prepare_clustering(self, features: Features, pass_index: int, seed: int) -> None:
        """Prepare the clustering of all heads, for instance align the modalities; most methods do nothing.

        Args:
            features: ``{modality: (n, D)}``, of all training samples of this rank.
            pass_index: Number of the pass, from 0.
            seed: Seed for random choices, equal on all ranks.
        """
        ...

    def cluster_scores(self, features: Features, head: int) -> Tensor:
        """Return the input of the clusterer for one head, a new tensor that the clusterer may overwrite.

        A pass calls this for some of the samples at a time: the scores of a sample must not depend on others.

        Args:
            features: ``{modality: (n, D)}``.
            head: 0 to C - 1.

        Returns:
            Log-probabilities of the clusters ``(n, K)``; features ``(n, D)`` for a clusterer of features
            such as k-means. A row whose finite entries are equal prefers no cluster, since its modalities are
            missing: the pass leaves the sample out.
        """
        ...

    def num_modalities(self, head: int) -> int:
        """Return the number of modalities whose log-probabilities :meth:`cluster_scores` sums."""
        ...


@runtime_checkable
class LearnsFromAssignments(Protocol):
    """A :class:`Clusterable` method that learns from centroids or hierarchies in addition to labels.

    A clustering pass calls :meth:`clustered_features` before each assignment and :meth:`use_assignment` after
    it.
    """

    def clustered_features(self, features: Features, head: int) -> Tensor:
        """Return the features ``(n, D)`` whose means over the clusters are the centroids of one head."""
        ...

    def use_assignment(self, head: int, assignment: Assignment) -> None:
        """Store the centroids or the hierarchy of a new assignment; its labels are already published."""
        ...


@runtime_checkable
class PredictsClusters(Protocol):
    """A method whose heads predict the cluster of any sample, from each modality alone.

    Attributes:
        num_clusterings: H, number of heads.
        num_clusters: K, clusters of each head.
    """

    num_clusterings: int
    num_clusters: int

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}``."""
        ...

    def log_probs(self, features: Features) -> dict[str, Tensor]:
        """Return ``{modality: (B, H, K)}`` log-probabilities; their sum is the joint prediction."""
        ...

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return ``features`` and ``cluster_log_probs``, the :meth:`log_probs`, of a batch."""
        ...


@runtime_checkable
class HasHierarchies(Protocol):
    """A method whose clusters are the leaves of trees.

    It has ``num_heads`` clusterings for each of the :attr:`clustering_names`: clustering w is head
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
        """The modalities from which each group of H clusterings is made, such as ``image`` or ``audio``."""
        ...

    @property
    def hierarchies(self) -> Sequence[ClusterTree | None]:
        """The tree of each clustering; None before its first pass."""
        ...


@runtime_checkable
class AssignsAnchors(Protocol):
    """A method that assigns each sample to several of its anchors.

    ``evaluation_step`` returns ``anchor_scores``: ``{modality: (B, K)}``.

    Attributes:
        num_anchors: K.
        num_assigned: K', anchors per sample.
    """

    num_anchors: int
    num_assigned: int

    def assign_anchors(self, scores: Tensor) -> Tensor:
        """Return the soft K'-hot codes ``(n, K)`` of ``scores (n, K)``, balanced over all ranks' rows."""
        ...


@runtime_checkable
class HasCentroids(Protocol):
    """A method that learns the nearest centroid of a sample; callbacks.CentroidUpdate renews them."""

    def refresh_centroids(self) -> None:
        """Fit the centroids to the features that the method stores; the result is equal on all ranks."""
        ...
