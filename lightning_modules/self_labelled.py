"""The common part of methods whose encoders predict pseudo-labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.base import BaseModule
from unlabelled.batch import Batch, Features
from unlabelled.clustering.pseudo_labels import PseudoLabels
from unlabelled.encoders import Encoder
from unlabelled.encoders.evaluation_crops import embed_crops
from unlabelled.losses import multi_head_cross_entropy
from unlabelled.nn.heads import ClusterHeads


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
        self._learns = {} if learns is None else {name: list(head) for name, head in learns.items()}
        self.heads = nn.ModuleDict(
            {each.modality: make_heads(each.dim, len(self.heads_of(each.modality))) for each in encoders}
        )
        self.pseudo_labels = PseudoLabels(num_clusterings)

    def heads_of(self, name: str) -> list[int]:
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

    def logits(self, name: str, feature: Tensor, head: int | None = None) -> Tensor:
        """Return the logits ``(B, heads, K)`` of a modality's heads from its ``feature (B, D)``.

        Methods override this where logits are more than the outputs of the heads.

        Args:
            name: The modality.
            feature: ``(B, D)``.
            head: One of them alone, ``(B, K)``, as in evaluation mode; None: all.
        """
        heads = self.cluster_heads(name)
        outputs: Tensor = heads(feature) if head is None else heads.forward_head(feature, head)
        return outputs

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the mean over modalities and heads of the cross-entropy with the pseudo-labels."""
        labels, weights = self.targets(batch["index"]), self.weights(batch["index"])
        features, losses = self.embed(batch), {}
        for name, feature in features.items():
            columns = self.heads_of(name)
            counts = None if weights is None else weights[:, columns]
            losses[name] = multi_head_cross_entropy(self.logits(name, feature), labels[:, columns], counts)
        loss = torch.stack([each.mean() for each in losses.values()]).mean()
        self.log_losses(loss, losses, len(labels))
        return {"loss": loss, "features": {name: feature.detach() for name, feature in features.items()}}

    def log_losses(self, loss: Tensor, losses: dict[str, Tensor], batch_size: int) -> None:
        """Log the loss, its means ``(heads,)`` over each modality, and each clustering's part."""
        self.log("train/loss", loss, prog_bar=True, batch_size=batch_size)
        for name, per_head in losses.items():
            self.log(f"train/loss_{name}", per_head.mean(), batch_size=batch_size)
            for head, value in zip(self.heads_of(name), per_head, strict=True):
                self.log(f"train/loss_{name}/head{head}", value, batch_size=batch_size)

    def num_modalities(self, head: int) -> int:
        """Return the number of modalities whose log-probabilities ``cluster_scores`` sums."""
        return 1

    def prepare_clustering(self, features: Features, pass_index: int, seed: int) -> None:
        """Do nothing before a pass."""

    def cluster_heads(self, name: str) -> ClusterHeads:
        """Return the heads of a modality."""
        heads = self.heads[name]
        assert isinstance(heads, ClusterHeads)
        return heads

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

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return ``features`` and the heads' ``cluster_log_probs``."""
        features = embed_crops(self.embed, batch)
        return {"features": features, "cluster_log_probs": self.log_probs(features)}

    def log_probs(self, features: Features, head: int | None = None) -> dict[str, Tensor]:
        """Return the log-probabilities of the clusters, by each modality alone.

        Computed without autocast, in float32 at least.

        Args:
            features: ``{modality: (B, D)}``.
            head: One head alone, ``{modality: (B, K)}``; None: all, ``{modality: (B, heads, K)}``.
        """
        with torch.autocast(self.device.type, enabled=False):
            logits = {name: self.logits(name, _widened(each), head) for name, each in features.items()}
        return {name: each.log_softmax(-1) for name, each in logits.items()}

    def num_modalities(self, head: int) -> int:
        """Return the number of modalities."""
        return len(self.encoders)

    def cluster_scores(self, features: Features, head: int) -> Tensor:
        """Return ``(n, K)``, the sum over modalities of one head's log-probabilities."""
        return torch.stack(list(self.log_probs(features, head).values())).sum(0)


def _widened(feature: Tensor) -> Tensor:
    """Return a feature in float32 at least."""
    return feature.to(torch.promote_types(feature.dtype, torch.float32))
