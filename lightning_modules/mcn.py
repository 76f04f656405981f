"""MCN: multimodal clustering networks (Chen et al. 2021, arXiv:2104.12671)."""

from __future__ import annotations

from itertools import combinations
from typing import Any, ClassVar

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.base import BaseModule, log_means
from unlabelled.batch import Batch, Features
from unlabelled.clustering import CosineCentroids
from unlabelled.encoders import ClipEncoder, PooledClip, not_finite_shares
from unlabelled.losses import cluster_loss, masked_margin_softmax, reconstruction_loss
from unlabelled.modalities import fused_names, mean_of_present, parts_of, sum_of_present
from unlabelled.nn.queue import FillingQueue


class MCN(BaseModule):
    """Contrast pairs of modalities, predict the clusters of their mean, and reconstruct the inputs.

    :class:`callbacks.QueueUpdate` appends half the clips of each video to the queue ``fused`` in each step;
    :class:`callbacks.CentroidUpdate` fits the centroids to the queue. There is no cluster loss before the
    first fit, which needs a full queue; the released code fits from the first batch on.

    Args:
        text: Encoder of words, to ``(B, D)``.
        video: Encoder of video features.
        audio: Encoder of spectrograms.
        optimizer: Called with the parameters.
        num_centroids: K.
        queue_size: Rows to which the centroids are fitted: 20 steps of 128 videos with 16 clips (40960).
        margin: delta, the margin in the contrastive loss and in the cluster loss.
        cluster_weight: Weight of the cluster loss.
        reconstruction_weight: Weight of the reconstruction loss; 0: there is none.
        reconstruction_dim: Hidden width of the decoders.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    Raises:
        ValueError: Features of different sizes, or a queue with fewer rows than centroids.

    Source: Chen et al. 2021 (arXiv:2104.12671); brian7685/Multimodal-Clustering-Network,
    train_tri_kmeans.py; docs/methods/sspc.md#mcn.
    """

    compares_samples = True
    logs: ClassVar[tuple[str, ...]] = (
        "train/mms",
        "train/mms/*",
        "train/cluster",
        "train/reconstruction",
        "train/nonempty/*",
        "train/not_finite/*",
    )

    def __init__(
        self,
        text: ClipEncoder,
        video: ClipEncoder,
        audio: ClipEncoder,
        optimizer: OptimizerCallable,
        num_centroids: int = 256,
        queue_size: int = 40960,
        margin: float = 0.001,
        cluster_weight: float = 1.0,
        reconstruction_weight: float = 50.0,
        reconstruction_dim: int = 1024,
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer, **kwargs)
        self.save_hyperparameters()
        encoders = {each.modality: each for each in (text, video, audio)}
        if len({each.dim for each in encoders.values()}) > 1:
            dims = {name: each.dim for name, each in encoders.items()}
            raise ValueError(f"MCN: all features must have one size, got {dims}; set their dim to one value")
        if queue_size < num_centroids:
            raise ValueError(f"MCN: queue_size={queue_size} is below num_centroids={num_centroids}")
        self.encoders = nn.ModuleDict(encoders)
        self.queues = nn.ModuleDict({"fused": FillingQueue(queue_size, text.dim)})
        self.centroids = CosineCentroids(num_centroids, text.dim)
        self.margin, self.cluster_weight = margin, cluster_weight
        self.reconstruction_weight = reconstruction_weight
        decoded = encoders if reconstruction_weight else {}
        sizes = {name: (each.dim, reconstruction_dim, each.pooled_dim) for name, each in decoded.items()}
        self.decoders = nn.ModuleDict({name: _decoder(*size) for name, size in sizes.items()})

    def embed(self, batch: Batch) -> Features:
        """Return ``{name: (B, D)}``, not normalised, of each modality of the batch and of sums of two.

        If a sample lacks one of the two modalities, the sum is the feature of the other one.

        Raises:
            ValueError: The batch has none of the modalities.
        """
        present = [name for name in self.encoders if self._encoder(name).key in batch]
        if not present:
            raise ValueError(f"MCN: the batch has no text, video_features or audio; it has {sorted(batch)}")
        pooled = {name: self._encoder(name).pool(batch) for name in present}
        features = self._features(pooled)
        for name in fused_names(list(self.encoders)):
            if parts := [part for part in parts_of(name) if part in pooled]:
                nonempty = [pooled[part].nonempty for part in parts]
                features[name] = sum_of_present([features[part] for part in parts], nonempty)
        return features

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return ``features``."""
        return {"features": self.embed(batch)}

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the sum of the losses, and the fused features of every second clip as ``keys``."""
        pooled = {name: self._encoder(name).pool(batch) for name in self.encoders}
        features = self._features(pooled)
        valid = {name: each.nonempty for name, each in pooled.items()}
        fused = mean_of_present(list(features.values()), list(valid.values())).detach()
        report = self._contrast(features, valid)
        loss = torch.stack(list(report.values())).sum()
        report["mms"] = loss
        if self.centroids.is_fitted:
            labels = self.centroids.assign(fused)
            centroids = self.centroids.centroids
            report["cluster"] = cluster_loss(features, centroids, labels, self.margin, valid)
            loss = loss + self.cluster_weight * report["cluster"]
        if self.reconstruction_weight:
            report["reconstruction"] = self._reconstruction(features, pooled, valid)
            loss = loss + self.reconstruction_weight * report["reconstruction"]
        shares = {f"nonempty/{name}": each.float().mean() for name, each in valid.items()}
        shares |= not_finite_shares(self.encoders, batch)
        log_means(self, {"loss": loss, **report, **shares}, len(fused))
        return {"loss": loss, "keys": {"fused": [fused[::2]]}}

    def _contrast(self, features: Features, valid: dict[str, Tensor]) -> dict[str, Tensor]:
        return {
            f"mms/{a}-{b}": masked_margin_softmax(features[a], features[b], valid[a] & valid[b], self.margin)
            for a, b in combinations(self.encoders, 2)
        }

    def _reconstruction(
        self, features: Features, pooled: dict[str, PooledClip], valid: dict[str, Tensor]
    ) -> Tensor:
        decoded = {name: self.decoders[name](feature) for name, feature in features.items()}
        return reconstruction_loss(decoded, {name: each.values for name, each in pooled.items()}, valid)

    def refresh_centroids(self) -> None:
        """Fit the centroids to the queue, once it is full."""
        queue = self.queues["fused"]
        assert isinstance(queue, FillingQueue)
        if queue.is_full:
            self.centroids.fit(queue.filled_rows)

    def _encoder(self, name: str) -> ClipEncoder:
        encoder = self.encoders[name]
        assert isinstance(encoder, ClipEncoder)
        return encoder

    def _features(self, pooled: dict[str, PooledClip]) -> Features:
        return {name: self._encoder(name).projection(each.values).float() for name, each in pooled.items()}


def _decoder(in_dim: int, hidden: int, out_dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_dim, hidden), nn.ReLU(), nn.Linear(hidden, out_dim), nn.ReLU())
