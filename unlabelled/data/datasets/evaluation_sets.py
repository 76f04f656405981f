"""Interfaces of zero-shot evaluation sets: retrieval, classification, localisation of steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from unlabelled.data.datasets.samples import SampleDataset
    from unlabelled.pipelines.features import FeaturePipeline


class EvaluationSet(ABC):
    """Samples of pre-extracted features for zero-shot evaluation, which reads them once, in order.

    A configuration may have several, each with its own data loader.

    Attributes:
        name: Short name without spaces; a part of the metrics' names, as in ``val/msrvtt/...``.
    """

    name: str

    @abstractmethod
    def open(self) -> None:
        """Find the files, in every process; repeated calls are fast.

        Raises:
            FileNotFoundError: A file is missing.
        """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples that are present."""

    @abstractmethod
    def dataset(self, pipeline: FeaturePipeline) -> SampleDataset:
        """Return the samples as tensors with the lengths of this set (tokens, words, frames)."""

    @abstractmethod
    def title(self, row: int) -> str:
        """Return the name of one sample: the identifier of its video."""

    def identifiers(self) -> Sequence[str]:
        """Return the identifier of each video, in any order; by default the titles of all samples."""
        return [self.title(row) for row in range(len(self))]

    def thumbnail(self, row: int) -> NDArray[np.uint8] | None:
        """Return a small image ``(H, W, 3)`` of one sample; None if there is no media file."""
        return None


class RetrievalSet(EvaluationSet):
    """Pairs of a text and a video; the text of row i is the query for the video of row i."""

    @property
    @abstractmethod
    def texts(self) -> Sequence[str]:
        """The text of each row."""

    @property
    @abstractmethod
    def complete_size(self) -> int:
        """Number of pairs including missing ones, the denominator of R@k."""


class LabelledSet(EvaluationSet):
    """Videos with classes: ``label`` in a batch, used for evaluation only."""

    @property
    @abstractmethod
    def class_names(self) -> Sequence[str]:
        """Names by label."""


class StepSet(EvaluationSet):
    """Videos of tasks with ordered steps, cut into segments of one second; a row is a segment.

    Batches have the features and ``video (B,)`` (index of the video), ``second (B,)`` and ``task (B,)``,
    int64.

    Attributes:
        log_softmax: Whether a second is scored by the log-softmax over the steps, as is usual on this set.
    """

    log_softmax = False

    @property
    @abstractmethod
    def steps(self) -> Sequence[Sequence[str]]:
        """Texts of the steps of each task, in order."""

    @property
    @abstractmethod
    def task_names(self) -> Sequence[str]:
        """Names by task."""

    @abstractmethod
    def step_dataset(self, pipeline: FeaturePipeline) -> SampleDataset:
        """Return the texts of all steps, task by task, as samples with ``text`` alone."""

    @abstractmethod
    def annotation(self, video: int) -> NDArray[np.bool_]:
        """Return ``(T, K)``, true where second t of a video lies in step k of its task."""
