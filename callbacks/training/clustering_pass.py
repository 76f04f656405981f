"""The clustering pass: every so often, new pseudo-labels for the whole training set."""

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

from callbacks.shared.batches import frozen_state, iterate_batches, not_replaced
from callbacks.training.feature_bank import FeatureBank
from callbacks.training.pass_report import PassReport
from unlabelled.clustering.base import ClusterContext, Clusterer
from unlabelled.clustering.schedule import PassClock, Schedule
from unlabelled.contracts import Clusterable, LearnsFromAssignments, TrainingSet
from unlabelled.distributed import broadcast_buffers
from unlabelled.encoders.evaluation_crops import embed_crops
from unlabelled.seeding import derive_seed, global_seed

_CHUNK = 8192  # rows whose hidden layer is alive at once


class ClusteringPass(Callback):
    """Renew a method's pseudo-labels from a fresh pass over the training set, before the step that is due.

    1. In evaluation mode, with the training augmentation, remember each clip's features, sharded over ranks.
    2. Head by head, compute scores, hand them to the clusterer, publish the labels on all ranks.
    3. Report what changed. Weights, running statistics, modes and random states stay as they were.

    Args:
        clusterer: How: Sinkhorn-Knopp, k-means, ...
        schedule: When.
        groups: G, groups of heads; each group sees the data under augmentations of its own, at the price of
            a further pass over the data (SeLaVi's "decorrelated heads"). Source:
            facebookresearch/selavi, README.md, whose command has 2; docs/methods/selavi.md#clustering-pass.

    Raises:
        MisconfigurationException: The method is no :class:`unlabelled.contracts.Clusterable`, or the data
            module no :class:`unlabelled.contracts.TrainingSet`; or the run has no end.
        ValueError: More groups than heads, or a checkpoint of another training set.
    """

    serves: ClassVar[type] = Clusterable

    def __init__(self, clusterer: Clusterer, schedule: Schedule, groups: int = 1) -> None:
        if groups < 1:
            raise ValueError(f"ClusteringPass: groups={groups} must be at least 1")
        self.clusterer, self.schedule, self.groups = clusterer, schedule, groups
        self.clock = PassClock([])
        self._total_steps = 0
        self.report = PassReport()
        self._clock_state: dict[str, Any] | None = None
        self._fingerprint: str | None = None
        self._data: TrainingSet

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check at start that method and data can be clustered."""
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
                f"{type(self).__name__} needs a data module that can be visited row by row "
                f"(unlabelled.contracts.TrainingSet), which {type(data).__name__} is not"
            )
        if self.groups > pl_module.num_clusterings:
            raise ValueError(
                f"{type(self).__name__}: groups={self.groups} must be at most the number of heads, "
                f"{pl_module.num_clusterings}"
            )
        self._data = data

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lay out the schedule; a resumed run goes on where it was."""
        num_samples, method = self._data.num_train_samples, _method(pl_module)
        if num_samples < method.num_clusters:
            raise ValueError(
                f"{num_samples} training clips cannot fill num_clusters={method.num_clusters} clusters; "
                "lower --model.init_args.num_clusters"
            )
        if self._fingerprint not in (None, self._data.train_fingerprint):
            raise ValueError(
                "the checkpoint's pseudo-labels belong to another list of training clips: files were added, "
                "removed or changed since; restore them, or start a new run"
            )
        self._fingerprint = self._data.train_fingerprint
        method.pseudo_labels.allocate(num_samples)
        steps_per_epoch = -(-int(trainer.num_training_batches) // trainer.accumulate_grad_batches)
        epochs = _epochs(trainer, steps_per_epoch)
        limits = [epochs * steps_per_epoch, trainer.max_steps]
        self._total_steps = min(limit for limit in limits if limit > 0)  # -1: no limit
        self.clock = PassClock(self.schedule.due_steps(steps_per_epoch, epochs))
        if self._clock_state is not None:
            self.clock.load_state_dict(self._clock_state)
        self.report.start(time.monotonic())

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Run the pass that is due before this step; of several, one per step."""
        if self.clock.due(trainer.global_step):
            self.run(trainer, pl_module)
            self.clock.advance()

    def run(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Cluster all heads now."""
        started = time.monotonic()
        broadcast_buffers(pl_module)  # all ranks must cluster with one network
        with frozen_state(pl_module):
            for group, heads in enumerate(self._grouped_heads(_method(pl_module).num_clusterings)):
                bank = self._collect(trainer, pl_module, group)
                self._cluster(trainer, pl_module, bank, heads, prepare=group == 0)
        self.report.log(trainer, time.monotonic() - started, self.clock.done)

    def _grouped_heads(self, num_heads: int) -> list[list[int]]:
        seed = derive_seed(global_seed(), "groups", self.clock.done)
        order = np.random.default_rng(seed).permutation(num_heads).tolist()
        return [order[group :: self.groups] for group in range(self.groups)]

    def loader(self, data: TrainingSet, group: int) -> DataLoader[Any]:
        """Return what a group of heads clusters: all training rows, under augmentations of its own."""
        return data.pass_dataloader(self.pass_epoch(group))

    def pass_epoch(self, group: int) -> int:
        """Return a number that names the augmentation of this pass and group; no epoch of training has it."""
        return -1 - (self.clock.done * self.groups + group)

    def _collect(self, trainer: Trainer, pl_module: LightningModule, group: int) -> FeatureBank:
        bank, method = FeatureBank(), _method(pl_module)
        title = f"clustering pass {self.clock.done + 1}"
        for batch in iterate_batches(trainer, pl_module, self.loader(self._data, group), title):
            features = embed_crops(method.embed, batch)
            bank.add(batch["index"], features, batch.get("label"), not_replaced(batch))
        return bank

    def _cluster(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        bank: FeatureBank,
        heads: Sequence[int],
        prepare: bool,
    ) -> None:
        method, pass_index = _method(pl_module), self.clock.done
        follower = method if isinstance(method, LearnsFromAssignments) else None
        index, features, labels = bank.finish(self._data.num_train_samples)
        self.report.unread = bank.unread
        if prepare:
            method.prepare_clustering(features, pass_index, derive_seed(global_seed(), "prepare"))
        for head in heads:
            clustered = follower.clustered_features(features, head) if follower is not None else None
            context = ClusterContext(
                head,
                method.num_clusters,
                method.num_modalities(head),
                derive_seed(global_seed(), "cluster"),
                pass_index,
                clustered,
            )
            if clustered is None or not self.clusterer.reads_features:
                clustered = _scores(method, features, head)
            assignment = self.clusterer(clustered, context)
            previous = method.pseudo_labels.table[:, head].clone()
            if self.clusterer.renumbers_clusters:
                method.pseudo_labels.forget(head)
            method.pseudo_labels.publish(head, index, assignment.labels)
            if follower is not None:
                follower.use_assignment(head, assignment)
            current = method.pseudo_labels.table[:, head]
            self.report.add(head, previous, current, method.num_clusters, assignment)
        if labels is not None and 0 in heads:
            self.report.compare(method.pseudo_labels.table[index.cpu(), 0], labels.cpu(), method.num_clusters)

    def state_dict(self) -> dict[str, Any]:
        """Position in the schedule, marginals and the like of the clusterer, and whose labels they are."""
        return {
            "clock": self.clock.state_dict(),
            "fingerprint": self._fingerprint,
            "clusterer": self.clusterer.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` returned."""
        self._clock_state = state_dict["clock"]
        self._fingerprint = state_dict["fingerprint"]
        self.clusterer.load_state_dict(state_dict["clusterer"])


class RememberedClusteringPass(ClusteringPass):
    """Cluster the features of the epoch's own training steps, at its end, when a pass is due by then.

    A pass that is due before the next epoch's first step is made here. Nobody would learn from one at the end
    of the run, so there is none.

    Saves the pass over the data, which costs far more than the assignment; the features are those of the
    training mode and up to an epoch old. Only the first pass, before anything is remembered, the first
    one of a finished run that is made longer, and one at the end of an epoch in which the run was resumed go
    over the data.
    Clips that the epoch dropped (an incomplete last batch) keep their labels, or have none until the next
    pass if the clusterer numbers its clusters anew.

    The method's ``training_step`` must return its detached ``features`` beside the loss.
    """

    def __init__(self, clusterer: Clusterer, schedule: Schedule) -> None:
        super().__init__(clusterer, schedule)
        self._bank = FeatureBank()
        self._remembered = 0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the last epoch."""
        self._bank = FeatureBank()
        self._remembered = 0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Run the pass that is due before an epoch, if no epoch before has made it."""
        if batch_idx == 0 and self.clock.due(trainer.global_step):
            self.run(trainer, pl_module)
            self.clock.advance_past(trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Remember the step's features; of a clip that comes twice as a stand-in, the requested reading."""
        self._bank.add(batch["index"], outputs["features"], batch.get("label"), not_replaced(batch))
        self._remembered += 1

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Cluster what the epoch has left, if a pass is due and not all is over."""
        if trainer.global_step >= self._total_steps or not self.clock.due(trainer.global_step):
            return
        if self._remembered < trainer.num_training_batches:  # resumed in the middle of the epoch
            self.run(trainer, pl_module)
        else:
            self._run_on_remembered(trainer, pl_module)
        self.clock.advance_past(trainer.global_step)  # one epoch's features make one pass

    def _run_on_remembered(self, trainer: Trainer, pl_module: LightningModule) -> None:
        started = time.monotonic()
        heads = range(_method(pl_module).num_clusterings)
        broadcast_buffers(pl_module)
        with frozen_state(pl_module):
            self._cluster(trainer, pl_module, self._bank, heads, prepare=False)
        self.report.log(trainer, time.monotonic() - started, self.clock.done)


def _method(pl_module: LightningModule) -> Clusterable:
    assert isinstance(pl_module, Clusterable)  # checked in setup
    return pl_module


def _epochs(trainer: Trainer, steps_per_epoch: int) -> int:
    """Return how many epochs the run will have."""
    if trainer.max_epochs is not None and trainer.max_epochs > 0:
        return trainer.max_epochs
    if trainer.max_steps <= 0:
        raise MisconfigurationException(
            "a clustering pass must know how long the run is, but trainer.max_epochs and trainer.max_steps "
            "are both -1; set one of them"
        )
    return max(1, -(-trainer.max_steps // steps_per_epoch))


def _scores(method: Clusterable, features: dict[str, Tensor], head: int) -> Tensor:
    """Compute the scores ``(n, K)`` chunk by chunk, so that no other array of that size is alive."""
    rows = len(next(iter(features.values())))
    scores: Tensor | None = None
    for start in range(0, rows, _CHUNK):
        part = {name: feature[start : start + _CHUNK] for name, feature in features.items()}
        chunk = method.cluster_scores(part, head)
        if scores is None:
            scores = torch.empty(rows, chunk.shape[1], dtype=chunk.dtype, device=chunk.device)
        scores[start : start + len(chunk)] = chunk
    return scores if scores is not None else method.cluster_scores(features, head)
