"""SeLaVi: labels for unlabelled videos (Asano, Patrick, Rupprecht, Vedaldi 2020, arXiv:2006.13662)."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.cli import OptimizerCallable

from lightning_modules.self_labelled import ClusterPredictor
from unlabelled.batch import Features
from unlabelled.clustering.alignment import Alignment, ExactAlignment, alignment_cost
from unlabelled.encoders import Encoder
from unlabelled.nn.heads import MultiHead
from unlabelled.seeding import derive_seed


class SeLaVi(ClusterPredictor):
    """Predict one pseudo-label per clip and head from its video and from its audio, each alone.

    The labels come from a clustering pass (:class:`callbacks.ClusteringPass` with Sinkhorn-Knopp), which
    computes them from the product of both modalities' predictions.

    Args:
        video_encoder: Maps video ``(B, 3, T, H, W)``, or single frames ``(B, 3, H, W)``, to ``(B, D_v)``.
        audio_encoder: Maps log-mel spectrograms ``(B, 1, F, T)`` to ``(B, D_a)``.
        optimizer: Called with the parameters.
        num_clusters: K, clusters per head (paper: the number of classes; 309 on VGG-Sound).
        num_heads: H, independent clusterings (paper: 10).
        hidden_dim: Width of the heads' hidden layer.
        dropout: Dropout in the heads.
        alignment: Matches the clusters of the audio heads to those of the video heads before the first pass;
            ``null``: exact matching, as a linear assignment problem.
        **kwargs: ``missing_modalities``, see docs/methods/selavi.md#missing-modalities; others, see
            :class:`~lightning_modules.base.BaseModule`.

    Source: arXiv:2006.13662, section 3; docs/methods/selavi.md#objective and #optimal-transport.
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
        super().__init__(
            (video_encoder, audio_encoder),
            optimizer,
            num_clusters,
            num_heads,
            lambda in_dim, heads: MultiHead(in_dim, num_clusters, heads, hidden_dim, dropout),
            **kwargs,
        )
        self.save_hyperparameters()
        self.alignment: Alignment = alignment if alignment is not None else ExactAlignment()

    def prepare_clustering(self, features: Features, pass_index: int, seed: int) -> None:
        """Permute the audio heads before the first pass, such that audio cluster k matches video cluster k.

        Source: arXiv:2006.13662, appendix A.3; docs/methods/selavi.md#alignment.
        """
        if pass_index > 0:
            return
        for head in range(self.num_clusterings):
            probabilities = [each.exp() for each in self.log_probs(features, head).values()]
            permutation = self.alignment(alignment_cost(*probabilities), derive_seed(seed, head))
            audio_heads = self.cluster_heads("audio")
            assert isinstance(audio_heads, MultiHead)
            audio_heads.permute_outputs(head, permutation.to(self.device))
