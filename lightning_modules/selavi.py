"""SeLaVi: labels for unlabelled videos (Asano, Patrick, Rupprecht, Vedaldi 2020, arXiv:2006.13662)."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.base import BaseModule
from unlabelled.clustering.alignment import Alignment, ExactAlignment, alignment_cost
from unlabelled.contracts import Batch, Features
from unlabelled.encoders import Encoder
from unlabelled.heads import MultiHead
from unlabelled.labels import PseudoLabels
from unlabelled.losses import multi_head_cross_entropy


class SeLaVi(BaseModule):
    """Sight and sound must each predict the one pseudo-label of their clip, once per head.

    The labels come from a clustering pass (:class:`callbacks.ClusteringPass` with Sinkhorn-Knopp), which
    reads them off the product of both modalities' predictions.

    Args:
        video_encoder: Maps clips ``(B, 3, T, H, W)`` to ``(B, D_v)``.
        audio_encoder: Maps log-mel spectrograms ``(B, 1, F, T)`` to ``(B, D_a)``.
        optimizer: Called with the parameters.
        num_clusters: K, clusters per head (paper: the number of classes; 309 on VGG-Sound).
        num_heads: H, independent clusterings (paper: 10).
        hidden_dim: Width of the heads' hidden layer.
        dropout: Dropout in the heads.
        alignment: Matches the audio heads' clusters to the video heads' at the first pass; ``null``: exactly,
            as a linear assignment.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.
    """

    def __init__(
        self,
        video_encoder: Encoder,
        audio_encoder: Encoder,
        optimizer: OptimizerCallable,
        num_clusters: int = 309,
        num_heads: int = 10,
        hidden_dim: int = 512,
        dropout: float = 0.3,
        alignment: Alignment | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer, **kwargs)
        self.save_hyperparameters()
        self.num_clusters, self.num_clusterings = num_clusters, num_heads
        self.alignment: Alignment = alignment if alignment is not None else ExactAlignment()
        self.encoders = nn.ModuleDict({"video": video_encoder, "audio": audio_encoder})
        self.heads = nn.ModuleDict(
            {
                name: MultiHead(encoder.dim, num_clusters, num_heads, hidden_dim, dropout)
                for name, encoder in (("video", video_encoder), ("audio", audio_encoder))
            }
        )
        self.pseudo_labels = PseudoLabels(num_heads)

    def embed(self, batch: Batch) -> Features:
        """Return ``{"video": (B, D_v), "audio": (B, D_a)}``."""
        return {name: encoder(batch[name]) for name, encoder in self.encoders.items()}

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the mean over modalities and heads of the cross-entropy with the pseudo-labels."""
        labels = self.pseudo_labels.lookup(batch["index"])  # (B, H)
        features = self.embed(batch)
        losses = {
            name: multi_head_cross_entropy(self.heads[name](feature), labels)  # (H,)
            for name, feature in features.items()
        }
        loss = torch.stack(list(losses.values())).mean()
        self._log_losses(loss, losses, len(labels))
        return {"loss": loss, "features": {name: feature.detach() for name, feature in features.items()}}

    def _log_losses(self, loss: Tensor, losses: dict[str, Tensor], batch_size: int) -> None:
        self.log("train/loss", loss, prog_bar=True, batch_size=batch_size)
        for name, per_head in losses.items():
            self.log(f"train/loss_{name}", per_head.mean(), batch_size=batch_size)
            for head, value in enumerate(per_head):
                self.log(f"train/loss_{name}/head{head}", value, batch_size=batch_size)

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return ``features`` and the heads' ``cluster_log_probs``."""
        features = self.embed(batch)
        return {"features": features, "cluster_log_probs": self.cluster_log_probs(features)}

    def cluster_log_probs(self, features: Features) -> dict[str, Tensor]:
        """Return ``{modality: (B, H, K)}``, log-probabilities of the clusters by each modality alone."""
        with torch.autocast(self.device.type, enabled=False):  # as in the clustering pass
            return {name: self.heads[name](value.float()).log_softmax(2) for name, value in features.items()}

    def cluster_scores(self, features: Features, which: int) -> Tensor:
        """Return ``(n, K)``: ``ln p_v + ln p_a`` of one head (reference section 1.1, eq. 2)."""
        scores = [self._log_probs(name, feature, which) for name, feature in features.items()]
        return torch.stack(scores).sum(0)

    def prepare_clustering(self, features: Features, pass_index: int, seed: int) -> None:
        """At the first pass, permute the audio heads so that audio cluster k is video cluster k.

        Source: SeLaVi appendix A.3; reference section 1.6.
        """
        if pass_index > 0:
            return
        for head in range(self.num_clusterings):
            video, audio = (self._log_probs(name, features[name], head).exp() for name in ("video", "audio"))
            permutation = self.alignment(alignment_cost(video, audio), seed + head)
            self._head("audio").permute_outputs(head, permutation.to(self.device))

    def _log_probs(self, name: str, features: Tensor, which: int) -> Tensor:
        return self._head(name).head(features, which).float().log_softmax(1)

    def _head(self, name: str) -> MultiHead:
        head = self.heads[name]
        assert isinstance(head, MultiHead)
        return head

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the pseudo-labels beside the weights."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["pseudo_labels"] = self.pseudo_labels.table

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Bring the pseudo-labels back."""
        super().on_load_checkpoint(checkpoint)
        self.pseudo_labels.table = checkpoint["pseudo_labels"]
