"""The promises by which modules, data modules and callbacks know each other; YAML wires the rest.

Upstairs packages never import one another. A callback asks ``isinstance(module, Clusterable)``; a method
that keeps the promise works with it, whatever the method is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn
from torch.utils.data import DataLoader

from unlabelled.clustering.base import Assignment
from unlabelled.data.evaluation_sets import EvaluationSet
from unlabelled.hierarchy.cluster_tree import ClusterTree
from unlabelled.labels import PseudoLabels
from unlabelled.sound_maps import Localised
from unlabelled.transforms.view import View

Batch = dict[str, Any]
"""``video (B, 3, T, H, W)``, ``image (B, 3, H, W)``, ``audio (B, 1, F, T)``, ``label (B,)``, ``index (B,)``,
``replaced (B,)``. Several views of a sample to train on are a list ``views``, copies of clips with their
sounds lists of such batches, ``views[shift][direction]``; several to be averaged in evaluation are one more
dimension after B. A frame with its sound comes with ``frame_second (B,)``, when it is shown in its file, and
``silent (B,)``.

Streams of pre-extracted features have a mask, False where there is nothing: ``text (B, W, D)`` with
``text_mask (B, W)``, ``video_features (B, T, D)`` with ``video_mask (B, T)``, and log-mel ``audio
(B, 1, F, T)`` with ``audio_mask (B, T)``."""

Features = dict[str, Tensor]
"""One pooled feature per modality: ``{modality: (B, D)}``.

What several modalities say together goes under their names joined by ``+``, in the order text, video, audio.
"""


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

    def num_views(self, which: int) -> int:
        """Return of how many modalities the log-probabilities in the scores are sums."""
        ...


@runtime_checkable
class FollowsClusters(Protocol):
    """A clusterable method that learns from more than labels: from prototypes, or from a tree of them."""

    def clustered_features(self, features: Features, which: int) -> Tensor:
        """Return ``(n, D)``, what the centroids of clustering ``which`` are to be means of."""
        ...

    def follow(self, which: int, assignment: Assignment) -> None:
        """Take over the centroids or the hierarchy of a new assignment, whose labels are published."""
        ...


@runtime_checkable
class HasHierarchies(Protocol):
    """A method whose clusters are the leaves of trees.

    Its clusterings are ``num_heads`` for each of the :attr:`clustering_names`: clustering w is head
    ``w % num_heads`` of name ``w // num_heads``. ``evaluation_step`` returns ``cluster_log_probs``,
    ``{modality: (B, clusterings, K)}``, minus infinity for clusters that are no leaf; the clustering's
    prediction is the arg-max of the sum over modalities.

    Attributes:
        num_heads: H.
        num_clusters: K.
    """

    num_heads: int
    num_clusters: int

    @property
    def clustering_names(self) -> Sequence[str]:
        """What each group of H clusterings is made of, such as ``image`` or ``audio``."""
        ...

    @property
    def hierarchies(self) -> Sequence[ClusterTree | None]:
        """The tree of every clustering; None before its first pass."""
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

    def shuffled_pass_dataloader(self, epoch: int) -> DataLoader[Any]:
        """The same in a random order."""
        ...

    def fixed_pass_dataloader(self) -> DataLoader[Any]:
        """The same without augmentation: rows as they look in evaluation."""
        ...


@runtime_checkable
class Labelled(Protocol):
    """A data module that knows what its ground-truth labels are called (for evaluation only)."""

    @property
    def class_names(self) -> Sequence[str]:
        """Names by label."""
        ...


@runtime_checkable
class GroupsClasses(Protocol):
    """A data module whose classes belong to groups, a second level of ground truth (for evaluation only)."""

    @property
    def class_groups(self) -> Sequence[str]:
        """The name of the group of each class, by label."""
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


@runtime_checkable
class CrossValidated(Protocol):
    """A data module that may have folds, each judged by what was learned on the others."""

    def folds(self, split: str) -> Sequence[int] | None:
        """Return the fold of each row of ``val`` or ``test``; None: they are held out together."""
        ...


@runtime_checkable
class EvaluatesOnSets(Protocol):
    """A data module whose evaluation goes through one set after the other, each with its own protocol."""

    def evaluation_sets(self, stage: str) -> Sequence[EvaluationSet]:
        """Return the set of each data loader of ``val`` or ``test``, in their order."""
        ...


@runtime_checkable
class CountsDefects(Protocol):
    """A data module whose batches say what their samples lack: ``counts (B, C)`` int64."""

    @property
    def count_names(self) -> Sequence[str]:
        """What each column counts."""
        ...


@runtime_checkable
class AssignsAnchors(Protocol):
    """A method that describes a sample by several of its anchors at once.

    ``evaluation_step`` returns ``anchor_scores``: ``{modality: (B, K)}``.

    Attributes:
        num_anchors: K.
        num_assigned: K', anchors that a sample gets.
    """

    num_anchors: int
    num_assigned: int

    def assign_anchors(self, scores: Tensor) -> Tensor:
        """Return the soft K'-hot codes ``(n, K)`` of ``scores (n, K)``, balanced over all ranks' rows."""
        ...


@runtime_checkable
class HasCentroids(Protocol):
    """A method that trains on the nearest of centroids, which a callback renews now and then."""

    def refresh_centroids(self) -> None:
        """Fit the centroids anew to what the method remembers; every rank comes to the same ones."""
        ...


@runtime_checkable
class ScoresPairs(Protocol):
    """A method that says how well a picture and a sound belong together.

    ``evaluation_step`` returns ``pair_codes``: ``{"visual": (B, ...), "audio": (B, ...)}``, all that it needs
    of a clip for that.

    Attributes:
        pair_threshold: A pair that scores higher is taken for a true one; None: only the order counts.
    """

    pair_threshold: float | None

    def pair_scores(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Return the scores ``(n,)`` of n pairs of codes."""
        ...


@runtime_checkable
class Localises(Protocol):
    """A method that says where in the picture a sound comes from."""

    def localise(self, batch: Batch) -> Localised:
        """Return the maps of a batch."""
        ...


@runtime_checkable
class HasBoxes(Protocol):
    """A data module that knows where in its frames the sounding objects are (for evaluation only).

    Attributes:
        box_agreement: As many annotators make it certain that a pixel belongs to one.
    """

    box_agreement: float

    def boxes(self, split: str, row: int, second: float) -> Tensor:
        """Return ``(annotators, 4)``, ``x0, y0, x1, y1`` as fractions of the frame, at a time in the file."""
        ...
