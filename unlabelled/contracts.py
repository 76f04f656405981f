"""The promises by which modules, data modules and callbacks know each other; YAML wires the rest.

Upstairs packages never import one another. A callback asks ``isinstance(module, Clusterable)``; a method
that keeps the promise works with it, whatever the method is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn
from torch.utils.data import DataLoader

from unlabelled.labels import PseudoLabels
from unlabelled.transforms.view import View

Batch = dict[str, Any]
"""``video (B, 3, T, H, W)``, ``image (B, 3, H, W)``, ``audio (B, 1, F, T)``, ``label (B,)``, ``index (B,)``,
``replaced (B,)``. Several views of a sample to train on are a list ``views``; several to be averaged in
evaluation are one more dimension after B."""

Features = dict[str, Tensor]
"""One pooled feature per modality: ``{modality: (B, D)}``."""


@runtime_checkable
class Embeds(Protocol):
    """Every method: features of a batch, for evaluation, export and probes."""

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}``."""
        ...


@runtime_checkable
class Clusterable(Protocol):
    """A method that trains on pseudo-labels and lets a callback renew them.

    The clustering pass remembers :meth:`embed` for each training sample, asks for the
    :meth:`cluster_scores` of one clustering (head) after the other, and publishes the new assignment in
    :attr:`pseudo_labels`.
    """

    num_clusterings: int
    num_clusters: int
    pseudo_labels: PseudoLabels

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}``, all that the pass remembers of a sample."""
        ...

    def prepare_clustering(self, features: Features, pass_index: int, seed: int) -> None:
        """Do what comes before an assignment, such as the alignment of modalities at the first pass."""
        ...

    def cluster_scores(self, features: Features, which: int) -> Tensor:
        """Return ``(n, K)``, or ``(n, D)`` for a clusterer of features, for clustering ``which``."""
        ...


@runtime_checkable
class PredictsClusters(Protocol):
    """A method whose heads say which cluster a sample belongs to, from each modality alone."""

    num_clusterings: int
    num_clusters: int

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}``."""
        ...

    def cluster_log_probs(self, features: Features) -> dict[str, Tensor]:
        """Return ``{modality: (B, H, K)}`` log-probabilities; their sum is the joint prediction."""
        ...

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return ``features`` and ``cluster_log_probs`` of a batch."""
        ...


@runtime_checkable
class HasEncoders(Protocol):
    """Every method: its encoders by modality, which export and protocols on feature maps ask for."""

    encoders: nn.ModuleDict


@runtime_checkable
class HasQueues(Protocol):
    """A method that contrasts with what it saw before.

    ``training_step`` returns, beside the loss, ``keys``: ``{name: [(B, D), ...]}``, what each queue is to
    remember of this step, one tensor per view.

    Attributes:
        queues: :class:`~unlabelled.queue.FeatureQueue` by name.
    """

    queues: nn.ModuleDict


@runtime_checkable
class HasTarget(Protocol):
    """A method with a target network that follows the online one slowly."""

    def target_pairs(self) -> Sequence[tuple[nn.Module, nn.Module]]:
        """Return (online, target) networks of the same shape."""
        ...


@runtime_checkable
class LabelledBank(Protocol):
    """A data module whose labelled training rows can be compared with, as they look in evaluation."""

    def bank_dataloader(self) -> DataLoader[Any]:
        """Visit each labelled training row exactly once over all ranks, without augmentation."""
        ...


@runtime_checkable
class TrainingSet(Protocol):
    """A data module whose training rows can be visited and remembered one by one."""

    @property
    def num_train_samples(self) -> int:
        """N: every ``index`` in a training batch is below it."""
        ...

    @property
    def train_fingerprint(self) -> str:
        """A hash of the training list: equal means that each index still means the same clip."""
        ...

    def train_dataloader(self) -> DataLoader[Any]:
        """Return shuffled batches of equal size, equally many on all ranks."""
        ...

    def pass_dataloader(self, epoch: int) -> DataLoader[Any]:
        """Visit each training row exactly once over all ranks, in shards that may be uneven."""
        ...


@runtime_checkable
class Labelled(Protocol):
    """A data module that knows what its ground-truth labels are called (for evaluation only)."""

    @property
    def class_names(self) -> Sequence[str]:
        """Names by label."""
        ...


@runtime_checkable
class ReadsClips(Protocol):
    """A data module of clips or images on disk."""

    @property
    def active_view(self) -> View:
        """What makes tensors of them in the present stage."""
        ...

    def clip_paths(self, split: str) -> Sequence[str]:
        """Return the path of each row of ``split`` (``train``, ``val`` or ``test``)."""
        ...
