"""What a run is judged on beside its training set: pairs to retrieve, labels to find, steps to localise."""

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
    """Samples of pre-extracted features, which a zero-shot evaluation goes through once, in order.

    Several may stand in one run's configuration, each with its own data loader.

    Attributes:
        name: Short and without spaces; a part of the metrics' names, as in ``val/msrvtt/...``.
    """

    name: str

    @abstractmethod
    def open(self) -> None:
        """Find the files, in every process; cheap when done before.

        Raises:
            FileNotFoundError: A file is missing; says which, and how to get it.
        """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples that are present."""

    @abstractmethod
    def dataset(self, pipeline: FeaturePipeline) -> SampleDataset:
        """Return the samples as tensors, in the set's own lengths (tokens, words, frames)."""

    @abstractmethod
    def title(self, row: int) -> str:
        """Return what one sample is called: its video's identifier."""

    def thumbnail(self, row: int) -> NDArray[np.uint8] | None:
        """Return a small picture ``(H, W, 3)`` of one sample; None where there is no media file."""
        return None


class RetrievalSet(EvaluationSet):
    """Pairs of a text and a video; row i's text asks for row i's video."""

    @property
    @abstractmethod
    def texts(self) -> Sequence[str]:
        """The text of each row."""

    @property
    @abstractmethod
    def complete_size(self) -> int:
        """Number of pairs with those that are missing here: what R@k is divided by."""


class LabelledSet(EvaluationSet):
    """Videos of known classes; the batches' ``label`` says which, and is used for evaluation only."""

    @property
    @abstractmethod
    def class_names(self) -> Sequence[str]:
        """Names by label."""


class StepSet(EvaluationSet):
    """Videos of a task's ordered steps, cut into segments of one second; a row is a segment.

    The batches have beside the features ``video (B,)`` (number of the video), ``second (B,)`` and
    ``task (B,)``, all int64.
    """

    @property
    @abstractmethod
    def steps(self) -> Sequence[Sequence[str]]:
        """The texts of each task's steps, in order."""

    @property
    @abstractmethod
    def task_names(self) -> Sequence[str]:
        """Names by task."""

    @abstractmethod
    def step_dataset(self, pipeline: FeaturePipeline) -> SampleDataset:
        """Return the texts of all steps of all tasks, one after the other, as samples with ``text`` alone."""

    @abstractmethod
    def annotation(self, video: int) -> NDArray[np.bool_]:
        """Return ``(T, K)``: whether second t of a video lies within step k of its task."""
