"""The common part of methods whose encoders predict pseudo-labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.base import BaseModule
from unlabelled.contracts import Batch, Features
from unlabelled.encoders import Encoder
from unlabelled.heads import ClusterHeads
from unlabelled.labels import PseudoLabels
from unlabelled.losses import multi_head_cross_entropy
from unlabelled.views import embed_views


class SelfLabelled(BaseModule):
    """Encoders whose heads predict pseudo-labels, which a clustering pass renews.

    Each clustering has one column of pseudo-labels, and one head in each modality that learns it.

    Args:
        encoders: One per modality.
        optimizer: Called with the parameters.
        num_clusters: K.
        num_clusterings: C, independent clusterings.
        make_heads: Called with the size of an encoder's feature and the number of heads.
        learns: Which clusterings each modality learns, in the order of its heads; None: all of them.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    Raises:
        ValueError: Two encoders are for the same modality.
    """

    def __init__(
        self,
        encoders: Sequence[Encoder],
        optimizer: OptimizerCallable,
        num_clusters: int,
        num_clusterings: int,
        make_heads: Callable[[int, int], ClusterHeads],
        learns: Mapping[str, Sequence[int]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer, **kwargs)
        self.num_clusters, self.num_clusterings = num_clusters, num_clusterings
        self.encoders = nn.ModuleDict({encoder.modality: encoder for encoder in encoders})
        if len(self.encoders) < len(encoders):
            raise ValueError(
                f"{type(self).__name__}: the encoders are for {', '.join(e.modality for e in encoders)}; "
                "expected different modalities, such as video (or image) and audio"
            )
        self._learns = {} if learns is None else {name: list(which) for name, which in learns.items()}
        self.heads = nn.ModuleDict(
            {each.modality: make_heads(each.dim, len(self.learned(each.modality))) for each in encoders}
        )
        self.pseudo_labels = PseudoLabels(num_clusterings)

    def learned(self, name: str) -> list[int]:
        """Return which clusterings a feature learns, in the order of its heads."""
        return self._learns.get(name, list(range(self.num_clusterings)))

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}`` of every encoder."""
        return {name: encoder(batch[name]) for name, encoder in self.encoders.items()}

    def targets(self, index: Tensor) -> Tensor:
        """Return the pseudo-labels ``(B, C)`` of rows ``index (B,)``."""
        return self.pseudo_labels.lookup(index)

    def weights(self, index: Tensor) -> Tensor | None:
        """Return the weights ``(B, C)`` of rows ``index (B,)`` in each clustering; None: all equal."""
        return None

    def cluster_logits(self, name: str, outputs: Tensor) -> Tensor:
        """Return logits ``(B, heads, K)`` from the outputs ``(B, heads, ...)`` of a modality's heads."""
        return outputs

    def head_logits(self, name: str, feature: Tensor) -> Tensor:
        """Return logits ``(B, heads, K)`` from a ``feature (B, D)``."""
        return self.cluster_logits(name, self.heads[name](feature))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the mean over modalities and heads of the cross-entropy with the pseudo-labels."""
        labels, weights = self.targets(batch["index"]), self.weights(batch["index"])
        features, losses = self.embed(batch), {}
        for name, feature in features.items():
            columns = self.learned(name)
            counts = None if weights is None else weights[:, columns]
            losses[name] = multi_head_cross_entropy(
                self.head_logits(name, feature), labels[:, columns], counts
            )
        loss = torch.stack([each.mean() for each in losses.values()]).mean()
        self.log_losses(loss, losses, len(labels))
        return {"loss": loss, "features": {name: feature.detach() for name, feature in features.items()}}

    def log_losses(self, loss: Tensor, losses: dict[str, Tensor], batch_size: int) -> None:
        """Log the loss, its means ``(heads,)`` over each modality, and each clustering's part."""
        self.log("train/loss", loss, prog_bar=True, batch_size=batch_size)
        for name, per_head in losses.items():
            self.log(f"train/loss_{name}", per_head.mean(), batch_size=batch_size)
            for which, value in zip(self.learned(name), per_head, strict=True):
                self.log(f"train/loss_{name}/head{which}", value, batch_size=batch_size)

    def num_views(self, which: int) -> int:
        """Return the number of modalities whose log-probabilities ``cluster_scores`` sums."""
        return 1

    def prepare_clustering(self, features: Features, pass_index: int, seed: int) -> None:
        """Do nothing before a pass."""

    def head(self, name: str) -> ClusterHeads:
        """Return the heads of a modality."""
        head = self.heads[name]
        assert isinstance(head, ClusterHeads)
        return head

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the pseudo-labels."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["pseudo_labels"] = self.pseudo_labels.table

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the pseudo-labels."""
        super().on_load_checkpoint(checkpoint)
        self.pseudo_labels.table = checkpoint["pseudo_labels"]


class ClusterPredictor(SelfLabelled):
    """Self-labelled methods in which every modality predicts every clustering.

    Held-out samples then have clusters too, and new pseudo-labels can be computed from the predictions.
    """

    def clustering_logits(self, outputs: Tensor, which: int) -> Tensor:
        """Return logits ``(n, K)`` of one clustering from the outputs ``(n, ...)`` of a head for it."""
        return outputs

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return ``features`` and the heads' ``cluster_log_probs``."""
        features = embed_views(self.embed, batch)
        return {"features": features, "cluster_log_probs": self.cluster_log_probs(features)}

    def cluster_log_probs(self, features: Features) -> dict[str, Tensor]:
        """Return ``{modality: (B, C, K)}``, log-probabilities by each modality alone."""
        with torch.autocast(self.device.type, enabled=False):  # as in the clustering pass
            return {
                name: self.head_logits(name, value.float()).log_softmax(2) for name, value in features.items()
            }

    def log_probs(self, name: str, features: Tensor, which: int) -> Tensor:
        """Return log-probabilities ``(n, K)`` of one clustering by one modality, in float32 at least."""
        outputs = self.head(name).head(features, which).float()
        return self.clustering_logits(outputs, which).log_softmax(1)

    def num_views(self, which: int) -> int:
        """Return the number of modalities."""
        return len(self.encoders)

    def cluster_scores(self, features: Features, which: int) -> Tensor:
        """Return ``(n, K)``, the sum over modalities of one clustering's log-probabilities."""
        return torch.stack([self.log_probs(name, value, which) for name, value in features.items()]).sum(0)
