"""Base of the sets of instructional videos with annotated steps, from pre-extracted features."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from unlabelled.data.datasets.crosstask_release import Task
from unlabelled.data.datasets.crosstask_samples import AUDIO_PART, Seconds, Steps, StepVideo, num_rows
from unlabelled.data.datasets.evaluation_sets import StepSet
from unlabelled.data.datasets.howto100m import FeatureFiles
from unlabelled.data.datasets.samples import SampleDataset
from unlabelled.data.inside import check_link
from unlabelled.data.left_out import list_left_out
from unlabelled.distributed import rank
from unlabelled.pipelines.features import Budget, FeaturePipeline

log = logging.getLogger(__name__)

_OTHER_TASKS = "of other tasks"
STEP_BUDGET = Budget(video_tokens=12, audio_frames=768, max_words=20)


class StepVideos(StepSet):
    """Videos of tasks with ordered steps, one row per second, each with context before and after.

    Videos without features or annotation are left out and logged.

    Args:
        root: Folder of the data set.
        files: Paths of the features, below ``root``.
        radius: Context before and after each second, in seconds; less at both ends of a video.
        name: A part of the metrics' names.
        budget: Lengths of the tensors.

    Attributes:
        without_task: Reason why a listed video of no task is left out.

    Raises:
        ValueError: ``radius`` is not positive.
    """

    without_task = _OTHER_TASKS

    def __init__(self, root: str, files: FeatureFiles, radius: float, name: str, budget: Budget) -> None:
        if not radius > 0:
            raise ValueError(f"{type(self).__name__}: radius {radius} must be more than 0 seconds")
        self.root, self.files, self.radius, self.name, self.budget = root, files, radius, name, budget
        self.tasks: list[Task] = []
        self.videos: list[StepVideo] = []
        self.left_out: dict[str, list[str]] = {}

    @abstractmethod
    def read(self) -> tuple[list[Task], Iterable[tuple[str, str]]]:
        """Return the tasks, and the listed videos as pairs of the identifiers of task and video."""

    @abstractmethod
    def annotation_file(self, task: str, video: str) -> Path:
        """Return the path of the annotation of a video."""

    def open(self) -> None:
        """Read the files of the release and the lengths of the features; see :meth:`EvaluationSet.open`.

        Raises:
            ValueError: None of the videos is usable, or a file is malformed.
        """
        if self.videos:
            return
        self.tasks, listed = self.read()
        self.videos, self.left_out = self._find(listed)
        if not self.videos:
            raise ValueError(f"{self.root}: no video is usable: {self.summary()}")
        if rank() == 0:
            missing = self.left_out.keys() - {_OTHER_TASKS}
            log.log(logging.WARNING if missing else logging.INFO, "%s", self.summary())

    def __len__(self) -> int:
        return self.videos[-1].first + self.videos[-1].seconds if self.videos else 0

    def summary(self) -> str:
        """Return one line: the numbers of videos and seconds, and the videos left out by reason."""
        found = f"{self.name}: {len(self.videos)} videos of {len(self.tasks)} tasks, {len(self)} s"
        return "; ".join([found, *list_left_out(self.left_out)])

    @property
    def steps(self) -> Sequence[Sequence[str]]:
        """Texts of the steps of each task, in order."""
        return [task.steps for task in self.tasks]

    @property
    def task_names(self) -> Sequence[str]:
        """Titles by task."""
        return [task.title for task in self.tasks]

    def title(self, row: int) -> str:
        """Return the video's identifier and the second."""
        row = range(len(self))[row]
        number = int(np.searchsorted([video.first for video in self.videos], row, side="right")) - 1
        return f"{self.videos[number].identifier}, second {row - self.videos[number].first}"

    def identifiers(self) -> Sequence[str]:
        """Return the identifier of each video."""
        return [video.identifier for video in self.videos]

    def dataset(self, pipeline: FeaturePipeline) -> SampleDataset:
        """Return all seconds of all videos, with ``video``, ``second`` and ``task``, without labels.

        The audio of videos without an audio file is empty, and counted in ``counts``.

        Raises:
            FileNotFoundError: A video lacks features that the pipeline needs.
        """
        for part in set(pipeline.parts) - {AUDIO_PART}:
            names = [each.identifier for each in self.videos]
            lacking = [name for name in names if not self.files.exists(self.root, name, part)]
            if lacking:
                raise FileNotFoundError(
                    f"{type(self).__name__}: {len(lacking)} videos below {self.root} have no {part}, for "
                    f"example {lacking[0]!r}; fetch the files, or remove the videos from the list"
                )
        return Seconds(self.root, self.files, self.videos, self.radius, pipeline, self.budget)

    def step_dataset(self, pipeline: FeaturePipeline) -> SampleDataset:
        """Return the texts of all steps of all tasks, task by task."""
        return Steps([step for task in self.tasks for step in task.steps], pipeline, self.budget)

    def file(self, name: str, advice: str) -> Path:
        """Return the path of a file of the release.

        Raises:
            FileNotFoundError: There is none.
        """
        path = Path(self.root, name)
        if not path.is_file():
            raise FileNotFoundError(f"{type(self).__name__}: there is no file {path}; {advice}")
        return path

    def _find(self, listed: Iterable[tuple[str, str]]) -> tuple[list[StepVideo], dict[str, list[str]]]:
        number = {task.identifier: index for index, task in enumerate(self.tasks)}
        videos: list[StepVideo] = []
        left_out: dict[str, list[str]] = {}
        first = 0
        for task, identifier in listed:
            if task not in number:
                left_out.setdefault(self.without_task, []).append(identifier)
                continue
            seconds, annotation = self._seconds(identifier), self.annotation_file(task, identifier)
            if not seconds or not annotation.is_file():
                reason = "without annotation" if seconds else "without 2D features"
                left_out.setdefault(reason, []).append(identifier)
                continue
            if not self.files.allow_outside:
                check_link(self.root, str(annotation.relative_to(self.root)))
            videos.append(StepVideo(identifier, number[task], seconds, first))
            first += seconds
        return videos, left_out

    def _seconds(self, identifier: str) -> int:
        """Return the number of 2D rows; 0 if there is no readable file."""
        _, key = self.files.part("rows_2d")
        return num_rows(self.files.paths(self.root, identifier, "rows_2d"), key)
