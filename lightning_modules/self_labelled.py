"""Bases of the methods whose encoders predict pseudo-labels."""

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
    """Base of the methods whose heads predict pseudo-labels, which a clustering pass renews.

    Each clustering has one column of pseudo-labels, and one head in each modality that learns it.

    It implements :class:`~unlabelled.contracts.Clusterable` except ``cluster_scores``, the input of the
    clusterer, which a subclass must define. A subclass may override the other hook, :meth:`logits`, if its
    logits are not simply the outputs of the heads.

    Args:
        encoders: One per modality.
        optimizer: Called with the parameters.
        num_clusters: K.
        num_clusterings: C, independent clusterings.
        make_heads: Called with the size of an encoder's feature and the number of heads.
        learns: The clusterings that each modality learns, in the order of its heads; None: all of them.
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
        self._learned_clusterings = {name: list(each) for name, each in (learns or {}).items()}
        self.heads = nn.ModuleDict(
            {
                each.modality: make_heads(each.dim, len(self.clusterings_of(each.modality)))
                for each in encoders
            }
        )
        self.pseudo_labels = PseudoLabels(num_clusterings)

    def clusterings_of(self, name: str) -> list[int]:
        """Return the clusterings that a modality learns, in the order of its heads."""
        return self._learned_clusterings.get(name, list(range(self.num_clusterings)))

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}`` of every encoder."""
        return {name: encoder(batch[name]) for name, encoder in self.encoders.items()}

    def labels_of(self, index: Tensor) -> Tensor:
        """Return the pseudo-labels ``(B, C)`` int64 of rows ``index (B,)`` of the training set."""
        return self.pseudo_labels.lookup(index)

    def sample_weights(self, index: Tensor) -> Tensor | None:
        """Return the weights ``(B, C)`` of rows ``index (B,)`` in each clustering; None: all equal."""
        return None

    def logits(self, name: str, feature: Tensor, head: int | None = None) -> Tensor:
        """Return the logits of the clusters from the feature of one modality; a hook for subclasses.

        The training loss, :meth:`ClusterPredictor.log_probs` and so the scores of a clustering pass and the
        evaluation are computed from these logits. A subclass that needs more than the outputs of the heads
        overrides this method alone.

        Args:
            name: The modality.
            feature: ``(B, D)``.
            head: Index of one head of the modality, applied as in evaluation mode; None: all heads, applied
                in the current mode.

        Returns:
            ``(B, heads, K)``; ``(B, K)`` if ``head`` is given.
        """
        heads = self.cluster_heads(name)
        outputs: Tensor = heads(feature) if head is None else heads.forward_head(feature, head)
        return outputs

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the mean over modalities and heads of the cross-entropy with the pseudo-labels."""
        labels, weights = self.labels_of(batch["index"]), self.sample_weights(batch["index"])
        features, losses = self.embed(batch), {}
        for name, feature in features.items():
            columns = self.clusterings_of(name)
            own = None if weights is None else weights[:, columns]
            losses[name] = multi_head_cross_entropy(self.logits(name, feature), labels[:, columns], own)
        loss = torch.stack([each.mean() for each in losses.values()]).mean()
        self.log_losses(loss, losses, len(labels))
        return {"loss": loss, "features": {name: feature.detach() for name, feature in features.items()}}

    def log_losses(self, loss: Tensor, losses: dict[str, Tensor], batch_size: int) -> None:
        """Log the loss, its mean for each modality, and the loss of each head.

        Args:
            loss: A scalar.
            losses: ``(heads,)`` by modality.
            batch_size: Number of samples.
        """
        self.log("train/loss", loss, prog_bar=True, batch_size=batch_size)
        for name, per_head in losses.items():
            self.log(f"train/loss_{name}", per_head.mean(), batch_size=batch_size)
            for head, value in zip(self.clusterings_of(name), per_head, strict=True):
                self.log(f"train/loss_{name}/head{head}", value, batch_size=batch_size)

    def num_modalities(self, head: int) -> int:
        """Return the number of modalities whose log-probabilities ``cluster_scores`` sums."""
        return 1

    def prepare_clustering(self, features: Features, pass_index: int, seed: int) -> None:
        """Do nothing before a clustering pass; subclasses may override it."""

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
    """Base of the self-labelled methods in which every modality predicts every clustering.

    The clusters of held-out samples can then be predicted, and new pseudo-labels can be computed from the
    predictions for the training set: :meth:`cluster_scores` is their sum over the modalities.
    """

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return ``features`` and the heads' ``cluster_log_probs``."""
        features = embed_crops(self.embed, batch)
        return {"features": features, "cluster_log_probs": self.log_probs(features)}

    def log_probs(self, features: Features, head: int | None = None) -> dict[str, Tensor]:
        """Return the log-probabilities of the clusters, predicted by each modality alone.

        Computed without autocast, in float32 at least.

        Args:
            features: ``{modality: (B, D)}``.
            head: One head alone, ``{modality: (B, K)}``; None: all, ``{modality: (B, heads, K)}``.
        """
        with torch.autocast(self.device.type, enabled=False):
            logits = {
                name: self.logits(name, each.to(torch.promote_types(each.dtype, torch.float32)), head)
                for name, each in features.items()
            }
        return {name: each.log_softmax(-1) for name, each in logits.items()}

    def num_modalities(self, head: int) -> int:
        """Return the number of modalities."""
        return len(self.encoders)

    def cluster_scores(self, features: Features, head: int) -> Tensor:
        """Return the input of the clusterer for one head ``(n, K)``; a hook for subclasses.

        It is the sum over the modalities of the head's log-probabilities, in float32 at least.
        """
        return torch.stack(list(self.log_probs(features, head).values())).sum(0)
