"""What a data module offers to callbacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from torch.utils.data import DataLoader

from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.pipelines.base import SamplePipeline


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
class LabelledBank(Protocol):
    """A data module whose labelled training rows can be compared with, as they look in evaluation."""

    def bank_dataloader(self) -> DataLoader[Any]:
        """Visit each labelled training row exactly once over all ranks, without augmentation."""
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
    def active_pipeline(self) -> SamplePipeline:
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
