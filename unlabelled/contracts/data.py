"""Interfaces of data modules, by which callbacks use them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from torch.utils.data import DataLoader

from unlabelled.data.datasets.clip_names import ClipName
from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.pipelines.base import SamplePipeline

TransferScore = Literal["accuracy", "accuracy_per_class", "map_11_points"]
"""Top-1 accuracy; its mean over classes; mean average precision at eleven recalls, for several labels."""


@runtime_checkable
class TrainingSet(Protocol):
    """A data module with numbered training rows, which a clustering pass visits once each."""

    @property
    def num_train_samples(self) -> int:
        """N, the number of training rows: each ``index`` in a training batch is from 0 to N - 1."""
        ...

    @property
    def train_fingerprint(self) -> str:
        """A hash of the list of training rows: while it is equal, each index refers to the same clip."""
        ...

    def train_dataloader(self) -> DataLoader[Any]:
        """Return shuffled batches of equal size, the same number on all ranks."""
        ...

    def pass_dataloader(self, epoch: int) -> DataLoader[Any]:
        """Visit each training row exactly once over all ranks, augmented; the shards may be uneven."""
        ...

    def shuffled_pass_dataloader(self, epoch: int) -> DataLoader[Any]:
        """Visit the rows as :meth:`pass_dataloader` does, in a random order."""
        ...

    def fixed_pass_dataloader(self) -> DataLoader[Any]:
        """Visit the rows as :meth:`pass_dataloader` does, without augmentation, as in evaluation."""
        ...


@runtime_checkable
class LabelledBank(Protocol):
    """A data module with a bank: labelled training rows, without augmentation."""

    def bank_dataloader(self) -> DataLoader[Any]:
        """Visit each labelled training row exactly once over all ranks, without augmentation."""
        ...


@runtime_checkable
class Labelled(Protocol):
    """A data module with names of its ground-truth labels (for evaluation only)."""

    @property
    def class_names(self) -> Sequence[str]:
        """The name of each class, by label."""
        ...


@runtime_checkable
class HasTransferScore(Protocol):
    """A data module whose authors name the score of transfer protocols, and rows to validate on."""

    transfer_score: TransferScore

    def validation_rows(self) -> Sequence[int] | None:
        """Return the rows of the bank to choose settings on; None: there is no such list."""
        ...


@runtime_checkable
class GroupsClasses(Protocol):
    """A data module whose classes belong to groups, a second level of ground truth (for evaluation only)."""

    @property
    def class_groups(self) -> Sequence[str] | None:
        """The name of the group of each class, by label; None: no groups were given."""
        ...


@runtime_checkable
class ReadsClips(Protocol):
    """A data module of clips or images on disk."""

    @property
    def active_pipeline(self) -> SamplePipeline:
        """The pipeline that makes the tensors of a sample in the current stage."""
        ...

    def clip_paths(self, split: str) -> Sequence[str]:
        """Return the path of each row of ``split`` (``train``, ``val`` or ``test``)."""
        ...


@runtime_checkable
class NamesPredicted(Protocol):
    """A data module that names the samples of ``predict``, of any split."""

    predict_split: str

    def predicted_clips(self) -> Sequence[ClipName]:
        """Return the name of each row of the loader of ``predict``."""
        ...


@runtime_checkable
class CrossValidated(Protocol):
    """A data module that may have folds, each tested by a model trained on the other folds."""

    def folds(self, split: str) -> Sequence[int] | None:
        """Return the fold of each row of ``val`` or ``test``; None: there are no folds."""
        ...


@runtime_checkable
class EvaluatesOnSets(Protocol):
    """A data module with several evaluation sets, each with its own protocol."""

    def evaluation_sets(self, stage: str) -> Sequence[EvaluationSet]:
        """Return the evaluation set of each data loader of ``val`` or ``test``, in their order."""
        ...


@runtime_checkable
class CountsDefects(Protocol):
    """A data module whose batches have ``counts (B, C)`` int64: defects of each sample, of C kinds."""

    @property
    def count_names(self) -> Sequence[str]:
        """The name of each kind of defect, a column of ``counts``."""
        ...
