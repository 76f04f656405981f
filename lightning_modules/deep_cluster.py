"""DeepCluster: k-means of the encoder's own features as labels (Caron et al. 2018, arXiv:1807.05520)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor
from torch.optim import Optimizer

from lightning_modules.resumed_checkpoint import stored_part
from lightning_modules.self_labelled import SelfLabelled
from unlabelled.batch import Features
from unlabelled.clustering import Assignment
from unlabelled.encoders import Encoder
from unlabelled.nn.heads import LinearHeads
from unlabelled.seeding import global_seed, torch_generator

_STD = 0.01  # of the weights of a new top layer


class FeatureClustered(SelfLabelled):
    """Predict the k-means clusters of features, with a new top layer after every clustering.

    k-means (:class:`callbacks.FixedClusteringPass` with :class:`unlabelled.clustering.KMeansClusterer`)
    renumbers its clusters each time, so a trained top layer cannot be kept, unless it has ``warm_start``. To
    balance clusters the released code (facebookresearch/deepcluster, util.py) draws clusters uniformly and
    samples within them; here every sample occurs once per epoch with a weight of one over the size of its
    cluster, which has the same expectation.

    There is a ReLU between the clustered features and the top layers; it has no effect if the encoder ends
    with one.

    Args:
        encoders: One per modality.
        sources: The modalities whose features are clustered, for each clustering; features of several are
            concatenated.
        optimizer: Called with two groups of parameters; the top layers' has no momentum.
        num_clusters: K.
        learns: The clusterings that each modality learns; None: all.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    Source: Caron et al. 2018 (arXiv:1807.05520); docs/methods/selavi.md#deepcluster and #xdc.
    """

    def __init__(
        self,
        encoders: Sequence[Encoder],
        sources: Sequence[Sequence[str]],
        optimizer: OptimizerCallable,
        num_clusters: int,
        learns: Mapping[str, Sequence[int]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            encoders,
            optimizer,
            num_clusters,
            len(sources),
            lambda in_dim, heads: LinearHeads(in_dim, num_clusters, heads, std=_STD),
            learns,
            **kwargs,
        )
        self.sources = [list(source) for source in sources]
        self._renewals = 0
        self._optimizer: Optimizer | None = None

    def sample_weights(self, index: Tensor) -> Tensor:
        """Return ``(B, C)``, one over the size of each row's cluster, scaled to an average of 1."""
        return self.pseudo_labels.balance(index)

    def logits(self, name: str, feature: Tensor, head: int | None = None) -> Tensor:
        """Return the logits ``(B, heads, K)`` of the rectified ``feature (B, D)``."""
        return super().logits(name, feature.relu(), head)

    def clustered_features(self, features: Features, head: int) -> Tensor:
        """Return the features ``(n, D)`` to cluster; of several modalities, normalised and concatenated."""
        parts = [features[name].float() for name in self.sources[head]]
        return parts[0] if len(parts) == 1 else torch.cat([F.normalize(part, dim=1) for part in parts], 1)

    def cluster_scores(self, features: Features, head: int) -> Tensor:
        """Return :meth:`clustered_features`, as k-means is a clusterer of features."""
        return self.clustered_features(features, head).clone()

    def use_assignment(self, head: int, assignment: Assignment) -> None:
        """Re-initialise every top layer of this clustering, and delete its optimiser state.

        Nothing is changed if the clusters are continued from those of the pass before.
        """
        if assignment.continued:
            return
        self._renewals += 1
        for name in self.encoders:
            if head in self.clusterings_of(name):
                heads = self.cluster_heads(name)
                assert isinstance(heads, LinearHeads)
                generator = torch_generator(global_seed(), "top layer", name, head, self._renewals)
                heads.reset(self.clusterings_of(name).index(head), generator)
                state = {} if self._optimizer is None else self._optimizer.state
                for parameter in heads.parameters():  # AdamW's moments belong to the old weights
                    state.pop(parameter, None)

    def build_optimizer(self) -> Optimizer:
        """Build the optimiser; top layers have no momentum (facebookresearch/deepcluster, main.py)."""
        groups = [
            {"params": list(self.encoders.parameters())},
            {"params": list(self.heads.parameters())},
        ]
        optimizer: Optimizer = self.optimizer(groups)
        if "momentum" in optimizer.param_groups[1]:
            optimizer.param_groups[1]["momentum"] = 0.0
        self._scale_learning_rate(optimizer)
        self._optimizer = optimizer
        return optimizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the number of renewals, on which the next top layer's seed depends."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["renewals"] = self._renewals

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the number of renewals."""
        super().on_load_checkpoint(checkpoint)
        self._renewals = stored_part(checkpoint, "renewals")


class DeepCluster(FeatureClustered):
    """Predict the k-means clusters of the encoder's own features.

    Args:
        encoder: Encoder of images, video or audio.
        optimizer: Called with two groups of parameters.
        num_clusters: K (10000 on ImageNet: facebookresearch/deepcluster, main.sh).
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.
    """

    def __init__(
        self, encoder: Encoder, optimizer: OptimizerCallable, num_clusters: int = 10_000, **kwargs: Any
    ) -> None:
        super().__init__((encoder,), [[encoder.modality]], optimizer, num_clusters, **kwargs)
        self.save_hyperparameters()
