"""sHHC: cross-modal scalable hyperbolic hierarchical clustering (Long and van Noord, ICCV 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor

from lightning_modules.resumed_checkpoint import stored_part
from lightning_modules.self_labelled import ClusterPredictor
from unlabelled.batch import Features
from unlabelled.clustering import Assignment
from unlabelled.clustering.centroids import fit_centroids
from unlabelled.clustering.pseudo_labels import UNLABELLED
from unlabelled.encoders import Encoder
from unlabelled.hierarchy import Manifold, PoincareBall
from unlabelled.hierarchy.cluster_tree import ClusterTree, hierarchies_from_states, hierarchy_states
from unlabelled.hierarchy.rotation import rotate_onto
from unlabelled.missing import has_feature
from unlabelled.nn.heads import MultiHead
from unlabelled.seeding import derive_seed

HierarchiesOf = Literal["each", "joint", "all"]
_FIRST_TEMPERATURE = 0.1  # divides cosines with k-means centroids in the first pass; ours


class SHHC(ClusterPredictor):
    """Predict, from each modality of a clip, its leaf in a visual and in an audio hierarchy.

    Each modality's features are clustered on their own, H times, and each clustering's centroids become the
    leaves of a tree in the Poincaré ball (:class:`callbacks.ClusteringPass` with
    :class:`unlabelled.clustering.HierarchicalClusterer`). The leaves are the prototypes of a softmax over
    negative hyperbolic distances, for four kinds of heads: visual to visual, visual to audio, audio to visual
    and audio to audio (equation 1).

    Args:
        visual_encoder: Encoder of single frames ``(B, 3, H, W)`` (paper: that of L3-Net) or of clips
            ``(B, 3, T, H, W)``.
        audio_encoder: Encoder of log-mel spectrograms ``(B, 1, F, T)``.
        optimizer: Called with the parameters.
        num_clusters: K, leaves (paper: 1000 in section 3.2; 100, 60 and 34 in Tables 2 and 5).
        num_heads: H, clusterings of each modality (paper: 10, section 4.2).
        dim: Dimension of the manifold (paper: 50, Table 5).
        temperature: T of the softmax over distances (1: equation 13, which has none).
        hierarchies_of: ``each``: hierarchies of each modality (paper); ``joint``: hierarchies of both
            modalities together, with pseudo-labels from the product of both predictions as in SeLaVi (paper,
            Table 5); ``all``: all three kinds, for data whose classes neither modality separates alone.
        manifold: The space of head outputs and leaves; ``null``: the Poincaré ball of curvature -1.
        hidden_dim: Width of the heads' hidden layer.
        dropout: Dropout in the heads.
        **kwargs: ``missing_modalities``, see docs/methods/selavi.md#missing-modalities; others, see
            :class:`~lightning_modules.base.BaseModule`.

    Attributes:
        prototypes: ``(2 H, K, dim)`` float64, the leaves; NaN for empty clusters, and before the first pass.
            (``joint``: ``(H, K, dim)``; ``all``: ``(3 H, K, dim)``.)

    Source: paper sections 3 and 4.2, equations 1 and 13; docs/methods/shhc.md#method and #hyperbolic-softmax.
    """

    prototypes: Tensor

    def __init__(
        self,
        visual_encoder: Encoder,
        audio_encoder: Encoder,
        optimizer: OptimizerCallable,
        num_clusters: int = 1000,
        num_heads: int = 10,
        dim: int = 50,
        temperature: float = 1.0,
        hierarchies_of: HierarchiesOf = "each",
        manifold: Manifold | None = None,
        hidden_dim: int = 512,
        dropout: float = 0.3,
        **kwargs: Any,
    ) -> None:
        encoders = (visual_encoder, audio_encoder)
        sources = _sources([encoder.modality for encoder in encoders], hierarchies_of)
        clusterings = len(sources) * num_heads
        super().__init__(
            encoders,
            optimizer,
            num_clusters,
            clusterings,
            lambda in_dim, heads: MultiHead(in_dim, dim, heads, hidden_dim, dropout),
            **kwargs,
        )
        self.save_hyperparameters()
        if not temperature > 0:
            raise ValueError(f"SHHC: temperature is {temperature}, expected a positive number (paper: 1)")
        self.num_heads, self.temperature, self._sources = num_heads, temperature, sources
        self.manifold: Manifold = PoincareBall() if manifold is None else manifold
        self.hierarchies: list[ClusterTree | None] = [None] * clusterings
        empty = torch.full((clusterings, num_clusters, dim), torch.nan, dtype=torch.float64)
        self.register_buffer("prototypes", empty)
        self._ddp_params_and_buffers_to_ignore = ["prototypes"]  # equal on all ranks already
        self._first_centroids: dict[int, Tensor] = {}

    @property
    def clustering_names(self) -> Sequence[str]:
        """The modality, such as ``image``, of each group of H clusterings; ``image+audio`` for both."""
        return ["+".join(source) for source in self._sources]

    def labels_of(self, index: Tensor) -> Tensor:
        """Return the pseudo-labels ``(B, C)``; ``UNLABELLED`` where the cluster is not a leaf."""
        labels = super().labels_of(index)
        is_leaf = self._is_leaf()[torch.arange(self.num_clusterings, device=labels.device), labels]
        return labels.where(is_leaf & (labels != UNLABELLED), UNLABELLED)

    def logits(self, name: str, feature: Tensor, head: int | None = None) -> Tensor:
        """Return ``-d(leaf, output) / T (B, C, K)`` (equation 13), or ``(B, K)``; -inf for empty clusters.

        In float64, also under autocast (paper section 6).
        """
        outputs = super().logits(name, feature, head)
        if head is not None:
            return self._logits(outputs, self.prototypes[head])
        return self._logits(outputs.transpose(0, 1), self.prototypes).transpose(0, 1)

    def _logits(self, outputs: Tensor, prototypes: Tensor) -> Tensor:
        points = self.manifold.embed(outputs.double())
        distances = self.manifold.pairwise_distance(points, prototypes.nan_to_num())  # (..., n, K)
        empty = prototypes.isnan().any(-1)
        empty = empty & ~empty.all(-1, keepdim=True)  # before the first pass all clusters are equally likely
        return (-distances / self.temperature).masked_fill(empty.unsqueeze(-2), -torch.inf)

    def _is_leaf(self) -> Tensor:
        return self.prototypes.isfinite().all(-1)  # (C, K)

    def clustered_features(self, features: Features, head: int) -> Tensor:
        """Return the normalised features ``(n, D)`` to cluster; of two modalities, concatenated."""
        source = self._source(head)
        return torch.cat([F.normalize(features[name].float(), dim=1) for name in source], 1)

    def _source(self, head: int) -> list[str]:
        return self._sources[head // self.num_heads]

    def num_modalities(self, head: int) -> int:
        """Return the number of modalities whose scores are summed; 1 in the first pass, with one soft-max."""
        return 1 if head in self._first_centroids else len(self._source(head))

    def prepare_clustering(self, features: Features, pass_index: int, seed: int) -> None:
        """Compute centroids for the first pass, before which there are no leaves: spherical k-means per head.

        Source: ours, as the paper does not specify the first pass; docs/methods/shhc.md#pre-clustering.
        """
        self._first_centroids = {}
        for head in range(self.num_clusterings):
            if not self._is_leaf()[head].any():
                points = F.normalize(self.clustered_features(features, head), dim=1)
                points = points[has_feature(points)]  # a sample without features is no centroid
                chosen = derive_seed(seed, "first centroids", head) % 2**31
                self._first_centroids[head] = fit_centroids(
                    points, self.num_clusters, chosen, spherical=True, iterations=10
                )

    def cluster_scores(self, features: Features, head: int) -> Tensor:
        """Return log-probabilities ``(n, K)`` of the clusters, predicted by the clustered modality alone."""
        if (centroids := self._first_centroids.get(head)) is not None:
            cosines = F.normalize(self.clustered_features(features, head), dim=1) @ centroids.T
            return (cosines / _FIRST_TEMPERATURE).log_softmax(1)
        log_probs = self.log_probs({name: features[name] for name in self._source(head)}, head)
        return self.joint_scores(features, {name: each.float() for name, each in log_probs.items()})

    def use_assignment(self, head: int, assignment: Assignment) -> None:
        """Replace the leaves by the leaves of the assignment, rotated onto the old ones.

        Raises:
            ValueError: The assignment has no hierarchy, or one in another dimension.
        """
        if assignment.hierarchy is None:
            raise ValueError(
                "SHHC learns from a hierarchy, but the clusterer of callbacks.ClusteringPass returns none; "
                "use unlabelled.clustering.HierarchicalClusterer"
            )
        prototypes = assignment.hierarchy.prototypes().to(self.prototypes.device)
        if prototypes.shape != self.prototypes[head].shape:
            raise ValueError(
                f"SHHC: the hierarchy has {prototypes.shape[0]} clusters in {prototypes.shape[1]} "
                f"dimensions, the heads {self.num_clusters} in {self.prototypes.shape[2]}; set the "
                "embedding's dim to the model's"
            )
        if self._is_leaf()[head].any():
            prototypes = rotate_onto(prototypes, self.prototypes[head])
        self.prototypes[head] = prototypes
        self._first_centroids.pop(head, None)
        points = prototypes.cpu()[assignment.hierarchy.clusters]
        self.hierarchies[head] = replace(assignment.hierarchy, points=points)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the trees, in addition to labels and prototypes."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["hierarchies"] = hierarchy_states(self.hierarchies)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the trees."""
        super().on_load_checkpoint(checkpoint)
        self.hierarchies = hierarchies_from_states(stored_part(checkpoint, "hierarchies"))


def _sources(names: list[str], hierarchies_of: HierarchiesOf) -> list[list[str]]:
    """Return the modalities of each hierarchy."""
    each = [[name] for name in names]
    choices = {"each": each, "joint": [names], "all": [*each, names]}
    if hierarchies_of not in choices:
        raise ValueError(f"SHHC: hierarchies_of is {hierarchies_of!r}, expected one of {', '.join(choices)}")
    return choices[hierarchies_of]
