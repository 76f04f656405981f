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
        encoder: Encoder of images, video or audio: maps views ``(B, C, ...)`` to ``(B, D)``.
        optimizer: Called with the parameters.
        projector: Called with D (paper: to 2048 and to 128 dimensions).
        num_clusters: K (paper: 3000).
        num_heads: H, independent clusterings (paper: 3).
        temperature: Of the softmax over cosines with the centroids (paper: 0.1).
        num_remembered: R, number of views, from the first on, whose embeddings are stored; clustering h is of
            view h modulo R.
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
        # Set by the pass, equally on all ranks: DDP need not broadcast them at every step.
        self._ddp_params_and_buffers_to_ignore = [f"heads.{self.modality}.prototypes"]

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}``; of a batch with views their unit embeddings, ``view0 (B, P)``, ...

        Consecutive views of one size go through the encoder together, and all views through the projector
        together, with common statistics of BatchNorm (facebookresearch/swav, src/resnet50.py).
        """
        encoder = self.encoders[self.modality]
        if "views" not in batch:
            return {self.modality: encoder(batch[self.modality])}
        views = batch["views"] if self.training else batch["views"][: self.num_remembered]  # of a pass
        groups = [list(group) for _, group in groupby(views, key=lambda view: view.shape)]
        features = torch.cat([encoder(torch.cat(group)) for group in groups])
        embeddings = F.normalize(self.projector(features).float(), dim=1).chunk(len(views))
        return {f"view{number}": embedding for number, embedding in enumerate(embeddings)}

    def logits(self, name: str, feature: Tensor, head: int | None = None) -> Tensor:
        """Return the logits ``(B, H, K)`` of the embeddings ``(B, P)`` of one view, outside autocast."""
        with torch.autocast(feature.device.type, enabled=False):
            return super().logits(self.modality, feature, head)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the mean loss over views and heads, and the embeddings to store as ``features``."""
        step = super().training_step(batch, batch_idx)
        step["features"] = self._stored_views(step["features"])
        return step

    def _stored_views(self, features: Features) -> Features:
        """Return the embeddings of the first ``num_remembered`` views.

        Raises:
            ValueError: There are fewer views.
        """
        views = [name for name in features if name.startswith("view")]
        if len(views) < self.num_remembered:
            raise ValueError(
                f"DeepClusterV2 stores {self.num_remembered} views of a sample, got {len(views)}; set "
                "--data.init_args.pipeline to ContrastiveImages, ContrastiveClips or ContrastiveAudio, with "
                "that many views"
            )
        return {name: features[name] for name in views[: self.num_remembered]}

    def clustered_features(self, features: Features, head: int) -> Tensor:
        """Return the stored embeddings ``(n, P)`` of the view that is clustered."""
        return list(self._stored_views(features).values())[head % self.num_remembered]

    def cluster_scores(self, features: Features, head: int) -> Tensor:
        """Return :meth:`clustered_features`, as k-means is a clusterer of features."""
        return self.clustered_features(features, head).clone()

    def use_assignment(self, head: int, assignment: Assignment) -> None:
        """Copy the centroids to the prototypes.

        Raises:
            ValueError: The clusterer has no centroids, or centroids of another shape than the prototypes.
        """
        heads = self.cluster_heads(self.modality)
        assert isinstance(heads, PrototypeHeads)
        prototypes, centroids = heads.prototypes[head], assignment.centroids
        if centroids is None or centroids.shape != prototypes.shape:
            got = "none" if centroids is None else f"some of shape {tuple(centroids.shape)}"
            raise ValueError(
                f"DeepClusterV2 learns from centroids of shape {tuple(prototypes.shape)}, but the clusterer "
                f"of the pass has {got}; use unlabelled.clustering.KMeansClusterer with spherical: true and "
                "without whitening"
            )
        prototypes.copy_(centroids)
