"""SeLa: self-labelling via clustering and representation learning (Asano et al. 2020, arXiv:1911.05371)."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.cli import OptimizerCallable

from lightning_modules.self_labelled import ClusterPredictor
from unlabelled.encoders import Encoder
from unlabelled.nn.heads import LinearHeads


class SeLa(ClusterPredictor):
    """One encoder must predict pseudo-labels that Sinkhorn-Knopp reads off its own predictions.

    SeLaVi with one modality: without a second one there is nothing to align or to multiply.

    Args:
        encoder: Of images, videos or sounds.
        optimizer: Called with the parameters.
        num_clusters: K, clusters per head (paper: 3000 on ImageNet, 128 on CIFAR).
        num_heads: H, independent clusterings (paper: 10), each with a linear head.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    Source: paper equations 3 to 6; reference selavi.md section 8.
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
