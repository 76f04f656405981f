"""The clustering pass, which renews the pseudo-labels of the training set."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.utils.data import DataLoader

from callbacks.shared.batches import frozen_state, iterate_batches
from callbacks.shared.rows import INDEX, LABEL, RowCollection
from callbacks.training.divergence_checks import check_finite
from callbacks.training.pass_report import PassReport
from unlabelled.batch import Features
from unlabelled.clustering.base import ClusterContext, Clusterer
from unlabelled.clustering.schedule import PassClock, Schedule
from unlabelled.contracts import Clusterable, LearnsFromAssignments, TrainingSet
from unlabelled.distributed import all_reduce_max_, all_reduce_sum_, broadcast_buffers
from unlabelled.encoders.evaluation_crops import embed_crops
from unlabelled.missing import has_scores
from unlabelled.seeding import derive_seed, global_seed

_CHUNK = 8192  # rows that `cluster_scores` gets at a time


class ClusteringPass(Callback):
    """Renew the pseudo-labels of a method before each step at which a pass is due.

    1. Compute the features of all training samples in evaluation mode, with the training augmentation. Each
       rank keeps those of its own samples.
    2. For each head, compute the scores, call the clusterer and publish the labels on all ranks.
       Samples without scores, as their modalities are missing, are left out.
    3. Log the changes. Weights, running statistics, modes and random states are left unchanged.

    Args:
        clusterer: Clusterer of the scores or features: Sinkhorn-Knopp, k-means, ...
        schedule: Schedule of the passes.
        groups: G, number of groups of heads. Each group is clustered with augmentations of its own, which
            takes one pass over the data per group (SeLaVi's "decorrelated heads"). Source:
            facebookresearch/selavi, README.md, whose command has 2; docs/methods/selavi.md#clustering-pass.

    Raises:
        MisconfigurationException: The method is no :class:`unlabelled.contracts.Clusterable`, the data
            module is no :class:`unlabelled.contracts.TrainingSet`, or the run has no end.
        ValueError: There are more groups than heads, more clusters than training samples, or the checkpoint
            belongs to another training set, or holds no labels.
    """

    serves: ClassVar[type] = Clusterable

    def __init__(self, clusterer: Clusterer, schedule: Schedule, groups: int = 1) -> None:
        if groups < 1:
            raise ValueError(f"ClusteringPass: groups={groups} must be at least 1")
        self.clusterer, self.schedule, self.groups = clusterer, schedule, groups
        self.clock = PassClock([])
        self.report = PassReport()
        self._total_steps = 0
        self._clock_state: dict[str, Any] | None = None
        self._fingerprint: str | None = None
        self._data: TrainingSet
        self._method: Clusterable

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the method and the data module."""
        if stage != "fit":
            return
        if not isinstance(pl_module, Clusterable):
            raise MisconfigurationException(
                f"{type(self).__name__} needs a method that is clustered (unlabelled.contracts.Clusterable), "
                f"which {type(pl_module).__name__} is not; take the callback out of trainer.callbacks"
            )
        data = getattr(trainer, "datamodule", None)
        if not isinstance(data, TrainingSet):
            raise MisconfigurationException(
                f"{type(self).__name__} needs a data module with loaders of all training samples "
                f"(unlabelled.contracts.TrainingSet), which {type(data).__name__} is not"
            )
        if self.groups > pl_module.num_clusterings:
            raise ValueError(
                f"{type(self).__name__}: groups={self.groups} must be at most the number of heads, "
                f"{pl_module.num_clusterings}"
            )
        self._data, self._method = data, pl_module

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute the steps at which passes are due; continue the schedule of a resumed run."""
        num_samples, num_clusters = self._data.num_train_samples, self._method.num_clusters
        if num_samples < num_clusters:
            raise ValueError(
                f"{num_samples} training clips cannot fill num_clusters={num_clusters} clusters; "
                "lower --model.init_args.num_clusters"
            )
        if self._fingerprint not in (None, self._data.train_fingerprint):
            raise ValueError(
                "the checkpoint's pseudo-labels belong to another list of training clips: files or labels "
                "were added, removed or changed since; restore them, or start a new run"
            )
        if self._clock_state is not None and len(self._method.pseudo_labels) not in (0, num_samples):
            raise ValueError(
                f"the checkpoint has pseudo-labels of {len(self._method.pseudo_labels)} training clips, but "
                f"there are {num_samples}; give another one, or start a new run"
            )
        self._fingerprint = self._data.train_fingerprint
        if (
            self._clock_state is not None
            and self._clock_state["done"]
            and not len(self._method.pseudo_labels)
        ):
            raise ValueError(
                f"{type(self._method).__name__} restored no pseudo-labels from the checkpoint; store "
                "pseudo_labels.table in its on_save_checkpoint and restore it in on_load_checkpoint"
            )
        self._method.pseudo_labels.allocate(num_samples)
        steps_per_epoch = -(-int(trainer.num_training_batches) // trainer.accumulate_grad_batches)
        epochs = _num_epochs(trainer, steps_per_epoch)
        limits = [epochs * steps_per_epoch, trainer.max_steps]
        self._total_steps = min(limit for limit in limits if limit > 0)  # -1: no limit
        self.clock = PassClock(self.schedule.due_steps(steps_per_epoch, epochs))
        if self._clock_state is not None:
            self.clock.load_state_dict(self._clock_state)
        self.report.training_start = time.monotonic()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Run the pass that is due before this step; if several are due, one before each step."""
        if self.clock.due(trainer.global_step):
            check_finite(trainer, pl_module)
            self.run(trainer, pl_module)
            self.clock.advance()

    def run(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Cluster all heads now."""
        started = time.monotonic()
        broadcast_buffers(pl_module)  # all ranks must cluster with the same network
        seed = derive_seed(global_seed(), "groups", self.clock.done)
        heads = np.random.default_rng(seed).permutation(self._method.num_clusterings).tolist()
        with frozen_state(pl_module):
            for group in range(self.groups):
                collection = self._collect(trainer, pl_module, group)
                self._cluster(pl_module, collection, heads[group :: self.groups], prepare=group == 0)
        self.report.log(trainer, time.monotonic() - started, self.clock.done)

    def loader(self, data: TrainingSet, group: int) -> DataLoader[Any]:
        """Return the loader of all training samples for a group of heads, with augmentations of its own."""
        return data.pass_dataloader(self.pass_epoch(group))

    def pass_epoch(self, group: int) -> int:
        """Return the epoch number of the augmentations of this pass and group; it is negative."""
        return -1 - (self.clock.done * self.groups + group)

    def dropout_seed(self, group: int) -> int | None:
        """Return the seed of dropout in this pass; None: there is none in evaluation mode."""
        return None

    def _collect(self, trainer: Trainer, pl_module: LightningModule, group: int) -> RowCollection:
        collection = RowCollection("clustering pass")
        title = f"clustering pass {self.clock.done + 1}"
        loader = self.loader(self._data, group)
        for batch in iterate_batches(trainer, pl_module, loader, title, self.dropout_seed(group)):
            features = embed_crops(self._method.embed, batch)
            collection.add(batch, {name: feature.float() for name, feature in features.items()})
        return collection

    def _cluster(
        self, pl_module: LightningModule, collection: RowCollection, heads: Sequence[int], prepare: bool
    ) -> None:
        method, pass_index = self._method, self.clock.done
        learner = pl_module if isinstance(pl_module, LearnsFromAssignments) else None
        index, features, labels, self.report.unread = finish_pass(collection, self._data.num_train_samples)
        if prepare:
            method.prepare_clustering(features, pass_index, derive_seed(global_seed(), "prepare"))
        for head in heads:
            clustered = learner.clustered_features(features, head) if learner is not None else None
            scores = clustered
            if scores is None or not self.clusterer.reads_features:
                scores = _scores(method, features, head)
            rows, scores, clustered = _without_missing(index, scores, clustered)
            context = ClusterContext(
                head,
                method.num_clusters,
                method.num_modalities(head),
                derive_seed(global_seed(), "cluster"),
                pass_index,
                clustered,
                method.pseudo_labels.lookup(rows)[:, head],
            )
            assignment = self.clusterer(scores, context)
            previous = method.pseudo_labels.table[:, head].clone()
            if self.clusterer.renumbers_clusters:
                method.pseudo_labels.forget(head)
            method.pseudo_labels.publish(head, rows, assignment.labels)
            if learner is not None:
                learner.use_assignment(head, assignment)
            current = method.pseudo_labels.table[:, head]
            self.report.add(head, previous, current, method.num_clusters, assignment)
            self.report.add_missing(len(index) - len(rows), rows.device)
        if labels is not None and 0 in heads:
            self.report.compare(method.pseudo_labels.table[index.cpu(), 0], labels.cpu(), method.num_clusters)

    def cluster_sizes(self, head: int) -> tuple[Tensor, Tensor | None] | None:
        """Return the cluster sizes ``(K,)`` of the last pass and the target shares ``(K,)``, if any."""
        sizes = self.report.sizes.get(head)
        return None if sizes is None else (sizes, self.report.shares.get(head))

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the schedule, the fingerprint of the training set, the clusterer's state."""
        return {
            "clock": self.clock.state_dict(),
            "fingerprint": self._fingerprint,
            "clusterer": self.clusterer.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self._clock_state = state_dict["clock"]
        self._fingerprint = state_dict["fingerprint"]
        self.clusterer.load_state_dict(state_dict["clusterer"])


def _num_epochs(trainer: Trainer, steps_per_epoch: int) -> int:
    if trainer.max_epochs is not None and trainer.max_epochs > 0:
        return trainer.max_epochs
    if trainer.max_steps <= 0:
        raise MisconfigurationException(
            "a clustering pass needs a run with an end, but trainer.max_epochs and trainer.max_steps "
            "are both -1; set one of them"
        )
    return max(1, -(-trainer.max_steps // steps_per_epoch))


def finish_pass(collection: RowCollection, num_samples: int) -> tuple[Tensor, Features, Tensor | None, int]:
    """Return the rows of a pass over the data, and remove them from the collection.

    Returns:
        Index ``(n,)``, features ``{modality: (n, D)}`` and, if there are any, labels ``(n,)`` of this rank;
        and the number of samples of the data set that no rank has.

    Raises:
        ValueError: A feature is not finite.
        RuntimeError: A sample occurs twice.
    """
    columns = collection.finish().columns
    index, labels = columns.pop(INDEX), columns.pop(LABEL, None)
    for name, feature in columns.items():
        broken = (~torch.isfinite(feature)).any().int()
        if all_reduce_max_(broken):  # raised on all ranks, or the others would wait for this one
            raise ValueError(
                f"clustering pass: {name} features are not finite; the training has diverged (lower the "
                "learning rate, or use --trainer.precision 32)"
            )
    visits = torch.zeros(num_samples, dtype=torch.int32, device=index.device)
    visits.index_add_(0, index, torch.ones_like(index, dtype=torch.int32))
    all_reduce_sum_(visits)
    if (visits > 1).any():
        row = int(visits.argmax())
        raise RuntimeError(f"clustering pass: row {row} was visited {int(visits[row])} times")
    return index, columns, labels, int((visits == 0).sum())


def _scores(method: Clusterable, features: Features, head: int) -> Tensor:
    """Compute the scores ``(n, K)`` in chunks, to have only one tensor of that size in memory."""
    rows = len(next(iter(features.values())))
    scores: Tensor | None = None
    for start in range(0, rows, _CHUNK):
        part = {name: feature[start : start + _CHUNK] for name, feature in features.items()}
        chunk = method.cluster_scores(part, head)
        if scores is None:
            scores = torch.empty(rows, chunk.shape[1], dtype=chunk.dtype, device=chunk.device)
        scores[start : start + len(chunk)] = chunk
    return scores if scores is not None else method.cluster_scores(features, head)


def _without_missing(
    index: Tensor, scores: Tensor, clustered: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Leave out the rows without scores; keep all if none has any, as with a single cluster."""
    keep = has_scores(scores)
    if keep.all() or not keep.any():
        return index, scores, clustered
    return index[keep], scores[keep], None if clustered is None else clustered[keep]
