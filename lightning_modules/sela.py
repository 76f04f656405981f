"""SeLa: self-labelling via clustering and representation learning (Asano et al. 2020, arXiv:1911.05371)."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.cli import OptimizerCallable

from lightning_modules.self_labelled import ClusterPredictor
from unlabelled.encoders import Encoder
from unlabelled.nn.heads import LinearHeads


class SeLa(ClusterPredictor):
    """Predict pseudo-labels that Sinkhorn-Knopp computes from the encoder's own predictions.

    It is SeLaVi with one modality: there are no clusters to align and no predictions to multiply.

    Args:
        encoder: Encoder of images, video or audio.
        optimizer: Called with the parameters.
        num_clusters: K, clusters per head (released scripts: 3000 on ImageNet, 128 on CIFAR).
        num_heads: H, independent clusterings (paper: 10), each with a linear head.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    Source: arXiv:1911.05371, section 3; yukimasano/self-label, main.py; docs/methods/selavi.md#sela.
    """

    def __init__(
        self,
        encoder: Encoder,
        optimizer: OptimizerCallable,
        num_clusters: int = 3000,
        num_heads: int = 10,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            (encoder,),
            optimizer,
            num_clusters,
            num_heads,
            lambda in_dim, heads: LinearHeads(in_dim, num_clusters, heads),
            **kwargs,
        )
        self.save_hyperparameters()
