"""DeepCluster-v2: labels from stored embeddings (Caron et al. 2020, arXiv:2006.09882)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor

from lightning_modules.self_labelled import SelfLabelled
from unlabelled.batch import Batch, Features
from unlabelled.clustering import Assignment
from unlabelled.encoders import Encoder
from unlabelled.nn.heads import MLP, PrototypeHeads


class DeepClusterV2(SelfLabelled):
    """Predict the cluster of a sample from each of its views; the centroids are the classifier.

    The embeddings of the first views are stored during the epoch and clustered at its end
    (:class:`callbacks.RememberedClusteringPass` with a spherical k-means), so that neither an extra pass over
    the data nor a new top layer is needed.

    Args:
        encoder: Of images, video or audio: maps views ``(B, C, ...)`` to ``(B, D)``.
        optimizer: Called with the parameters.
        projector: Called with D (paper: to 2048 and to 128 dimensions).
        num_clusters: K (paper: 3000).
        num_heads: H, independent clusterings (paper: 3).
        temperature: Of the softmax over cosines with the centroids (paper: 0.1).
        num_remembered: First views whose embeddings are kept; clustering h is of view h modulo this.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    Source: arXiv:2006.09882, appendix; facebookresearch/swav, main_deepclusterv2.py;
    docs/methods/selavi.md#deepcluster-v2.
    """

    def __init__(
        self,
        encoder: Encoder,
        optimizer: OptimizerCallable,
        projector: Callable[[int], MLP],
        num_clusters: int = 3000,
        num_heads: int = 3,
        temperature: float = 0.1,
        num_remembered: int = 2,
        **kwargs: Any,
    ) -> None:
        if num_remembered < 1:
            raise ValueError(f"DeepClusterV2: num_remembered is {num_remembered}, expected at least 1")
        projection = projector(encoder.dim)
        super().__init__(
            (encoder,),
            optimizer,
            num_clusters,
            num_heads,
            lambda _, heads: PrototypeHeads(projection.out_dim, num_clusters, heads, temperature),
            **kwargs,
        )
        self.save_hyperparameters()
        self.projector = projection
        self.modality, self.num_remembered = encoder.modality, num_remembered
        # Set by the pass, equally on all ranks: not to be sent around at every step.
        self._ddp_params_and_buffers_to_ignore = [f"heads.{self.modality}.prototypes"]

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}``; of training views the unit embeddings ``{"view0": (B, P), ...}``.

        Views of one size that follow each other go through the encoder together, all through the projector,
        and share BatchNorm's statistics there (facebookresearch/swav, src/resnet50.py).
        """
        encoder = self.encoders[self.modality]
        if "views" not in batch:
            return {self.modality: encoder(batch[self.modality])}
        views = batch["views"] if self.training else batch["views"][: self.num_remembered]  # a pass: no more
        alike = [list(group) for _, group in groupby(views, key=lambda view: view.shape)]
        features = torch.cat([encoder(torch.cat(group)) for group in alike])
        embeddings = F.normalize(self.projector(features).float(), dim=1).chunk(len(views))
        return {f"view{place}": embedding for place, embedding in enumerate(embeddings)}

    def logits(self, name: str, feature: Tensor, head: int | None = None) -> Tensor:
        """Return the logits ``(B, H, K)`` of the embeddings ``(B, P)`` of one view, outside autocast."""
        with torch.autocast(feature.device.type, enabled=False):
            return super().logits(self.modality, feature, head)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the mean loss over views and heads, and what is to be remembered."""
        step = super().training_step(batch, batch_idx)
        step["features"] = self._remembered(step["features"])
        return step

    def _remembered(self, features: Features) -> Features:
        """Return the first views' embeddings.

        Raises:
            ValueError: There are too few views.
        """
        views = [name for name in features if name.startswith("view")]
        if len(views) < self.num_remembered:
            raise ValueError(
                f"DeepClusterV2 remembers {self.num_remembered} views of a sample, got {len(views)}; set "
                "--data.init_args.pipeline to ContrastiveImages, ContrastiveClips or ContrastiveAudio, with as "
                "many"
            )
        return {name: features[name] for name in views[: self.num_remembered]}

    def clustered_features(self, features: Features, head: int) -> Tensor:
        """Return the remembered embeddings ``(n, P)`` of the view that is clustered."""
        return list(self._remembered(features).values())[head % self.num_remembered]

    def cluster_scores(self, features: Features, head: int) -> Tensor:
        """Return the same: k-means is a clusterer of features."""
        return self.clustered_features(features, head).clone()

    def use_assignment(self, head: int, assignment: Assignment) -> None:
        """Make the centroids the prototypes.

        Raises:
            ValueError: The clusterer has no centroids, or others than of the embeddings.
        """
        heads = self.cluster_heads(self.modality)
        assert isinstance(heads, PrototypeHeads)
        wanted, centroids = heads.prototypes[head], assignment.centroids
        if centroids is None or centroids.shape != wanted.shape:
            got = "none" if centroids is None else f"some of shape {tuple(centroids.shape)}"
            raise ValueError(
                f"DeepClusterV2 learns from centroids of shape {tuple(wanted.shape)}, but the clusterer of "
                f"the pass has {got}; take unlabelled.clustering.KMeansClusterer with spherical: true and "
                "without whitening"
            )
        wanted.copy_(centroids)
