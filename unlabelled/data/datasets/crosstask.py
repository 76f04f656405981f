"""CrossTask (Zhukov et al. 2019): instructional videos with annotated steps of their tasks."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.datasets.crosstask_release import Task, read_annotation, read_tasks, read_videos
from unlabelled.data.datasets.crosstask_samples import AUDIO_PART, Seconds, Steps, StepVideo, num_rows
from unlabelled.data.datasets.evaluation_sets import StepSet
from unlabelled.data.datasets.howto100m import FeatureFiles
from unlabelled.data.datasets.samples import SampleDataset
from unlabelled.data.inside import check_link
from unlabelled.data.left_out import list_left_out
from unlabelled.distributed import rank
from unlabelled.pipelines.features import Budget, FeaturePipeline

log = logging.getLogger(__name__)

CROSSTASK_FILES = FeatureFiles(
    rows_2d=("features/{id}_2d.npz", "features/{id}_2d.npy"),
    rows_3d=("features/{id}_3d.npz", "features/{id}_3d.npy", "features_3d/{id}.npz"),
    spectrogram=("audio/{id}_spec.npz", "audio/{id}.npz"),
)
_OTHER_TASKS = "of other tasks"
_BUDGET = Budget(video_tokens=12, audio_frames=768, max_words=20)


class CrossTask(StepSet):
    """Videos of the 18 primary tasks, one row per second, each with 4 s of context before and after.

    Below ``root``, of CrossTask's release: ``tasks_primary.txt``, ``videos_val.csv`` and
    ``annotations/<task>_<video>.csv`` (see :mod:`~.crosstask_release`); features in the layout of HowTo100M:
    ``features/<video>_2d.npz`` (one row per second of the video), ``<video>_3d.npz``, and
    ``audio/<video>_spec.npz``. Videos without features or annotation are left out and logged.

    Args:
        root: Folder of the data set.
        tasks: The tasks, relative to ``root``.
        videos: The list of videos, relative to ``root``; videos of other tasks are skipped. The usual
            list is the validation list of CrossTask; ``videos.csv`` has all videos.
        annotations: Folder of the annotations, relative to ``root``.
        files: Paths of the features, below ``root``.
        radius: Context before and after each second, in seconds; less at both ends of a video.
        name: A part of the metrics' names.
        budget: Lengths of the tensors.

    Source: brian7685/Multimodal-Clustering-Network, cvpr19_dataloader.py; DmZhukov/CrossTask;
    docs/methods/sspc.md#step-localisation.
    """

    def __init__(
        self,
        root: str,
        tasks: str = "tasks_primary.txt",
        videos: str = "videos_val.csv",
        annotations: str = "annotations",
        files: FeatureFiles = CROSSTASK_FILES,
        radius: float = 4.0,
        name: str = "crosstask",
        budget: Budget = _BUDGET,
    ) -> None:
        if not radius > 0:
            raise ValueError(f"CrossTask: radius {radius} must be more than 0 seconds")
        self.root, self.files, self.radius, self.name, self.budget = root, files, radius, name, budget
        self._tasks_file, self._videos_file, self._annotations = tasks, videos, annotations
        self.tasks: list[Task] = []
        self.videos: list[StepVideo] = []
        self.left_out: dict[str, list[str]] = {}

    def open(self) -> None:
        """Read the files of the release and the lengths of the features; see :meth:`EvaluationSet.open`.

        Raises:
            ValueError: None of the videos is usable, or a file is malformed.
        """
        if self.videos:
            return
        tasks = read_tasks(self._file(self._tasks_file))
        listed = read_videos(self._file(self._videos_file))
        self.tasks = tasks
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

    def annotation(self, video: int) -> NDArray[np.bool_]:
        """Return ``(T, K)``, true where second t of a video lies in step k of its task."""
        found = self.videos[video]
        path = self._annotation(self.tasks[found.task].identifier, found.identifier)
        return read_annotation(path, found.seconds, len(self.tasks[found.task].steps))

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
                    f"CrossTask: {len(lacking)} videos below {self.root} have no {part}, for example "
                    f"{lacking[0]!r}; fetch the files, or remove the videos from {self._videos_file}"
                )
        return Seconds(self.root, self.files, self.videos, self.radius, pipeline, self.budget)

    def step_dataset(self, pipeline: FeaturePipeline) -> SampleDataset:
        """Return the texts of all steps of all tasks, task by task."""
        return Steps([step for task in self.tasks for step in task.steps], pipeline, self.budget)

    def _find(self, listed: Sequence[tuple[str, str]]) -> tuple[list[StepVideo], dict[str, list[str]]]:
        number = {task.identifier: index for index, task in enumerate(self.tasks)}
        videos: list[StepVideo] = []
        left_out: dict[str, list[str]] = defaultdict(list)
        first = 0
        for task, identifier in listed:
            if task not in number:
                left_out[_OTHER_TASKS].append(identifier)
                continue
            seconds, annotation = self._seconds(identifier), self._annotation(task, identifier)
            if not seconds or not annotation.is_file():
                left_out["without annotation" if seconds else "without 2D features"].append(identifier)
                continue
            if not self.files.allow_outside:
                check_link(self.root, str(annotation.relative_to(self.root)))
            videos.append(StepVideo(identifier, number[task], seconds, first))
            first += seconds
        return videos, dict(left_out)

    def _seconds(self, identifier: str) -> int:
        """Return the number of 2D rows; 0 if there is no readable file."""
        _, key = self.files.part("rows_2d")
        return num_rows(self.files.paths(self.root, identifier, "rows_2d"), key)

    def _annotation(self, task: str, identifier: str) -> Path:
        return Path(self.root, self._annotations, f"{task}_{identifier}.csv")

    def _file(self, name: str) -> Path:
        path = Path(self.root, name)
        if not path.is_file():
            raise FileNotFoundError(
                f"CrossTask: there is no file {path}; unpack crosstask_release.zip in {self.root}"
            )
        return path
