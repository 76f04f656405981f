"""Base class of data modules of pre-extracted features, with several evaluation sets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeVar

from torch.utils.data import DataLoader

from datamodules.base import SampleDataModule, StartMethod
from unlabelled.data.datasets.clip_names import ClipName
from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.data.datasets.samples import SampleIndex
from unlabelled.pipelines.features import COUNTS, FeaturePipeline

IndexT = TypeVar("IndexT", bound=SampleIndex)


class TextVideoDataModule(SampleDataModule[IndexT, FeaturePipeline]):
    """Videos of pre-extracted features with texts to train on, and sets to evaluate on.

    A subclass defines the training samples (:meth:`find` of ``train``), their tensors (:meth:`dataset` of
    ``train``) and the names of their classes (:attr:`class_names`). Each evaluation set has its own data
    loader, in the order of the lists.

    Args:
        root: Folder of the training data.
        pipeline: Makes tensors of clips.
        evaluation: Evaluation sets of validation.
        test_evaluation: Evaluation sets of ``test`` and ``predict``; ``null``: ``evaluation``.
        batch_size: Videos per rank and step in training.
        eval_batch_size: Samples per rank and step in evaluation; ``null``: twice as many.
        num_workers: Number of processes that read.
        multiprocessing_context: See :class:`~datamodules.base.SampleDataModule`.

    Attributes:
        published: Always set: videos that are also in an evaluation set are counted and named, no error.

    Raises:
        ValueError: Two sets in a list have the same name.
    """

    holds = ("features",)
    published = True

    def __init__(
        self,
        root: str,
        pipeline: FeaturePipeline,
        evaluation: Sequence[EvaluationSet] = (),
        test_evaluation: Sequence[EvaluationSet] | None = None,
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        num_workers: int = 2,
        multiprocessing_context: StartMethod | None = None,
    ) -> None:
        super().__init__(
            root,
            pipeline,
            None,
            batch_size,
            eval_batch_size,
            num_workers,
            multiprocessing_context=multiprocessing_context,
        )
        self.evaluation = list(evaluation)
        self.test_evaluation = self.evaluation if test_evaluation is None else list(test_evaluation)
        for sets in (self.evaluation, self.test_evaluation):
            self._check_names([each.name for each in sets])

    @property
    def count_names(self) -> Sequence[str]:
        """Names of the columns of ``counts`` in a batch."""
        return COUNTS

    def evaluation_sets(self, stage: str) -> Sequence[EvaluationSet]:
        """Return the set of each data loader of ``val`` or ``test``, in their order."""
        return self.evaluation if stage == "val" else self.test_evaluation

    def prepare_data(self) -> None:
        """Write files derived from the data, in one process per node."""
        self._enter(self._trainer_stage())
        self._open()

    def setup(self, stage: str) -> None:
        """Find the training samples and the evaluation sets of a stage."""
        self._enter(stage)
        self._open()
        if stage == "fit":
            self.compare("train")

    def videos(self, split: str) -> Sequence[str]:
        """Return the identifiers of the training videos, or of those of the opened evaluation sets."""
        if split == "train":
            return [path.rsplit("/", 1)[-1] for path in self.clip_paths("train")]
        sets = self.evaluation_sets(split) if split in self.stage_splits(self._stage) else ()
        return list(chain.from_iterable(each.identifiers() for each in sets))

    def listed(self, split: str) -> Sequence[str]:
        """Return no paths, since videos are compared by their identifiers."""
        return ()

    def clip_paths(self, split: str) -> Sequence[str]:
        """Return the name of each training sample, or of each sample of all evaluation sets in order."""
        if split == "train":
            data = self.dataset("train", train=True)
            return [data.path(row) for row in range(len(data))]
        sets = self.evaluation_sets(split)
        return list(chain.from_iterable(map(each.title, range(len(each))) for each in sets))

    def predicted_clips(self) -> list[ClipName]:
        """Return the name of each sample of the evaluation sets of ``predict``."""
        return [ClipName(path, "test") for path in self.clip_paths("test")]

    def val_dataloader(self) -> list[DataLoader[Any]]:
        """Return a loader for each set, which reads it once over all ranks, in order."""
        return self._set_loaders("val")

    def test_dataloader(self) -> list[DataLoader[Any]]:
        """Return a loader for each set, which reads it once over all ranks, in order."""
        return self._set_loaders("test")

    def predict_dataloader(self) -> list[DataLoader[Any]]:
        """Return a loader for each set, which reads it once over all ranks, in order."""
        return self._set_loaders("test")

    def _open(self) -> None:
        self.pipeline.text.open()
        for split in self.stage_splits(self._stage):
            if split == "train":
                self._index(split)
            else:
                for each in self.evaluation_sets(split):
                    each.open()

    def _set_loaders(self, stage: str) -> list[DataLoader[Any]]:
        sets = self.evaluation_sets(stage)
        return [self._eval_loader(each.name, each.dataset(self.active_pipeline)) for each in sets]

    def _check_names(self, names: Sequence[str]) -> None:
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(
                f"{type(self).__name__}: two evaluation sets are called {repeated[0]!r}; give one of them "
                "another `name`, which is a part of its metrics' names"
            )
