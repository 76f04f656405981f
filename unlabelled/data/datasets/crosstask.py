"""CrossTask (Zhukov et al. 2019): instructional videos with annotated steps of their tasks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.datasets.crosstask_release import Task, read_annotation, read_tasks, read_videos
from unlabelled.data.datasets.howto100m import FeatureFiles
from unlabelled.data.datasets.step_videos import STEP_BUDGET, StepVideos
from unlabelled.pipelines.features import Budget

CROSSTASK_FILES = FeatureFiles(
    rows_2d=("features/{id}_2d.npz", "features/{id}_2d.npy"),
    rows_3d=("features/{id}_3d.npz", "features/{id}_3d.npy", "features_3d/{id}.npz"),
    spectrogram=("audio/{id}_spec.npz", "audio/{id}.npz"),
)


class CrossTask(StepVideos):
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
        budget: Budget = STEP_BUDGET,
    ) -> None:
        super().__init__(root, files, radius, name, budget)
        self._tasks_file, self._videos_file, self._annotations = tasks, videos, annotations

    def read(self) -> tuple[list[Task], Iterable[tuple[str, str]]]:
        """Read the tasks and the list of videos."""
        advice = f"unpack crosstask_release.zip in {self.root}"
        tasks = read_tasks(self.file(self._tasks_file, advice))
        return tasks, read_videos(self.file(self._videos_file, advice))

    def annotation_file(self, task: str, video: str) -> Path:
        """Return the path of the annotation of a video."""
        return Path(self.root, self._annotations, f"{task}_{video}.csv")

    def annotation(self, video: int) -> NDArray[np.bool_]:
        """Return ``(T, K)``, true where second t of a video lies in step k of its task."""
        found = self.videos[video]
        path = self.annotation_file(self.tasks[found.task].identifier, found.identifier)
        return read_annotation(path, found.seconds, len(self.tasks[found.task].steps))
