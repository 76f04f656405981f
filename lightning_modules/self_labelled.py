"""Bases of the methods whose encoders predict pseudo-labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.base import BaseModule
from lightning_modules.resumed_checkpoint import stored_part
from unlabelled.batch import Batch, Features
from unlabelled.clustering.pseudo_labels import UNLABELLED, PseudoLabels
from unlabelled.encoders import Encoder
from unlabelled.encoders.evaluation_crops import embed_crops
from unlabelled.losses import multi_head_cross_entropy
from unlabelled.missing import has_feature, present_modalities, stand_ins
from unlabelled.modalities import mean_of_present
from unlabelled.nn.heads import ClusterHeads

MissingModalities = Literal["leave_out", "learn"]


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
        missing_modalities: With several encoders, silent audio and video of one colour
            (:mod:`unlabelled.missing`) are left out: ``leave_out``, the default, leaves the sample's cluster
            to its other modality, in passes, losses and predictions; ``learn`` treats them as any input.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    Raises:
        ValueError: Two encoders are for the same modality, or ``missing_modalities`` is unknown.
    """

    logs: ClassVar[tuple[str, ...]] = ("train/loss_*",)

    def __init__(
        self,
        encoders: Sequence[Encoder],
        optimizer: OptimizerCallable,
        num_clusters: int,
        num_clusterings: int,
        make_heads: Callable[[int, int], ClusterHeads],
        learns: Mapping[str, Sequence[int]] | None = None,
        missing_modalities: MissingModalities = "leave_out",
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer, **kwargs)
        if missing_modalities not in ("leave_out", "learn"):
            raise ValueError(
                f"{type(self).__name__}: missing_modalities is {missing_modalities!r}, expected leave_out or "
                "learn"
            )
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
        self._leaves_out = missing_modalities == "leave_out" and len(self.encoders) > 1

    def clusterings_of(self, name: str) -> list[int]:
        """Return the clusterings that a modality learns, in the order of its heads."""
        return self._learned_clusterings.get(name, list(range(self.num_clusterings)))

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}`` of every encoder; zeros for modalities that are left out."""
        if not self._leaves_out:
            return {name: encoder(batch[name]) for name, encoder in self.encoders.items()}
        features = {}
        for name, present in present_modalities(batch, self.encoders).items():
            feature = self.encoders[name](stand_ins(batch[name], present))
            features[name] = feature.masked_fill(~present.unsqueeze(1), 0)
        return features

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
        """Return the mean over modalities and heads of the cross-entropy with the pseudo-labels.

        A modality that is left out has no loss.
        """
        labels, weights = self.labels_of(batch["index"]), self.sample_weights(batch["index"])
        features, losses = self.embed(batch), {}
        for name, feature in features.items():
            columns = self.clusterings_of(name)
            own = None if weights is None else weights[:, columns]
            logits, present = self._logits_of_present(name, feature)
            known = labels[:, columns].where(present.unsqueeze(1), UNLABELLED)
            losses[name] = multi_head_cross_entropy(logits, known, own)
        loss = torch.stack([each.mean() for each in losses.values()]).mean()
        self.log_losses(loss, losses, len(labels))
        return {"loss": loss, "features": {name: feature.detach() for name, feature in features.items()}}

    def _logits_of_present(
        self, name: str, feature: Tensor, head: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the :meth:`logits`, arbitrary for modalities that are left out, and a mask of the others."""
        present = self._present(feature)
        inputs = stand_ins(feature, present) if self._leaves_out else feature
        return self.logits(name, inputs, head), present

    def _present(self, feature: Tensor) -> Tensor:
        """Return the mask ``(B,)`` of features that are not left out."""
        return has_feature(feature) if self._leaves_out else feature.new_ones(len(feature), dtype=torch.bool)

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
        self.pseudo_labels.table = stored_part(checkpoint, "pseudo_labels")


class ClusterPredictor(SelfLabelled):
    """Base of the self-labelled methods in which every modality predicts every clustering.

    The clusters of held-out samples can then be predicted, and new pseudo-labels can be computed from the
    predictions for the training set: :meth:`cluster_scores` is their sum over the modalities. The prediction
    from a modality that is left out is the uniform distribution, which leaves the joint prediction to the
    other modality.
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
            return {name: self._log_probs(name, each, head) for name, each in features.items()}

    def _log_probs(self, name: str, feature: Tensor, head: int | None) -> Tensor:
        feature = feature.to(torch.promote_types(feature.dtype, torch.float32))
        logits, present = self._logits_of_present(name, feature, head)
        missing = ~present.view(-1, *[1] * (logits.ndim - 1))
        # Clusters that a method excludes by minus infinity remain excluded.
        return logits.masked_fill(missing & logits.isfinite(), 0).log_softmax(-1)

    def num_modalities(self, head: int) -> int:
        """Return the number of modalities."""
        return len(self.encoders)

    def cluster_scores(self, features: Features, head: int) -> Tensor:
        """Return the input of the clusterer for one head ``(n, K)``; a hook for subclasses.

        It is the sum over the modalities of the head's log-probabilities, in float32 at least; see
        :meth:`joint_scores`.
        """
        return self.joint_scores(features, self.log_probs(features, head))

    def joint_scores(self, features: Features, log_probs: dict[str, Tensor]) -> Tensor:
        """Return the sum over the modalities of their log-probabilities ``(n, K)`` of one head.

        Of a sample with missing modalities it is the mean over the others times the number of modalities. On
        a smaller scale Sinkhorn-Knopp would move such samples first where it fills clusters, and these would
        be clusters of samples with a missing modality.
        """
        present = [self._present(features[name]) for name in log_probs]
        return mean_of_present(list(log_probs.values()), present) * len(log_probs)
