"""MiningYouTube (Kuehne et al. 2019): cooking videos, each with the ordered steps that it shows."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.datasets.crosstask_release import Task
from unlabelled.data.datasets.howto100m import FeatureFiles
from unlabelled.data.datasets.step_videos import STEP_BUDGET, StepVideos
from unlabelled.data.inside import check_listed
from unlabelled.data.lists import open_list, read_text
from unlabelled.pipelines.features import Budget

MINING_YOUTUBE_FILES = FeatureFiles(
    rows_2d=("features/{id}_2d.npy", "features/{id}_2d.npz"),
    rows_3d=("features/{id}_3d.npy", "features/{id}_3d.npz", "features/{id}.npz"),
    spectrogram=("audio/{id}.npz", "audio/{id}_spec.npz"),
)
_ADVICE = "the files are those that the evaluation of MCN and EAO reads"
_COLUMN = "video_id"


class MiningYouTube(StepVideos):
    """The 250 test videos, one row per second, each with 4 s of context before and after.

    Each video has a list of steps of its own. Below ``root``: ``videos.csv`` with a column ``video_id``;
    ``steps.json``, which maps each video to the texts of its steps in order; ``annotations/<video>.npy``
    ``(T, K)``, not 0 where second t lies in step k; features ``features/<video>_2d.npy`` (one row per
    second), ``<video>_3d.npy``, and ``audio/<video>.npz``. Videos without steps, features or annotation
    are left out and logged.

    Args:
        root: Folder of the data set.
        videos: The list of videos, relative to ``root``.
        steps: The steps of the videos, relative to ``root``.
        annotations: Folder of the annotations, relative to ``root``.
        files: Paths of the features, below ``root``.
        radius: Context before and after each second, in seconds; less at both ends of a video.
        name: A part of the metrics' names.
        budget: Lengths of the tensors.

    Source: ninatu/everything_at_once, everything_at_once/dataset/crosstask_mining_dataset.py;
    brian7685/Multimodal-Clustering-Network, eval_cross.py; docs/methods/sspc.md#step-localisation.
    """

    log_softmax = True
    without_task = "without steps"

    def __init__(
        self,
        root: str,
        videos: str = "videos.csv",
        steps: str = "steps.json",
        annotations: str = "annotations",
        files: FeatureFiles = MINING_YOUTUBE_FILES,
        radius: float = 4.0,
        name: str = "mining_youtube",
        budget: Budget = STEP_BUDGET,
    ) -> None:
        super().__init__(root, files, radius, name, budget)
        self._videos_file, self._steps_file, self._annotations = videos, steps, annotations

    def read(self) -> tuple[list[Task], Iterable[tuple[str, str]]]:
        """Read the list of videos and their steps; each video is a task."""
        steps = read_steps(self.file(self._steps_file, _ADVICE))
        listed = read_column(self.file(self._videos_file, _ADVICE))
        tasks = [Task(video, video, steps[video]) for video in listed if video in steps]
        return tasks, [(video, video) for video in listed]

    def annotation_file(self, task: str, video: str) -> Path:
        """Return the path of the annotation of a video."""
        return Path(self.root, self._annotations, f"{video}.npy")

    def annotation(self, video: int) -> NDArray[np.bool_]:
        """Return ``(T, K)``, true where second t of a video lies in its step k.

        Raises:
            ValueError: The file is no table of that many steps.
        """
        found = self.videos[video]
        num_steps = len(self.tasks[found.task].steps)
        path = self.annotation_file(found.identifier, found.identifier)
        try:
            stored = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(f"{path} is no file of an array: {error}") from error
        if stored.ndim != 2 or stored.shape[1] != num_steps:
            raise ValueError(f"{path}: shape {stored.shape}, expected (seconds, {num_steps} steps)")
        truth = np.zeros((found.seconds, num_steps), dtype=bool)
        rows = min(len(stored), found.seconds)
        truth[:rows] = stored[:rows] != 0
        return truth


def read_steps(path: Path) -> dict[str, tuple[str, ...]]:
    """Read ``{video: [text of a step, ...]}`` from a JSON file.

    Raises:
        ValueError: It is no such file, or a video has no step.
    """
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON file: {error}") from error
    expected = "expected {video: [text of a step, ...]}"
    if not isinstance(content, dict):
        raise ValueError(f"{path}: {expected}")
    for video, steps in content.items():
        if not isinstance(steps, list) or not steps or not all(isinstance(each, str) for each in steps):
            raise ValueError(f"{path}, video {video!r}: {expected}, with at least one step")
    return {video: tuple(steps) for video, steps in content.items()}


def read_column(path: Path) -> list[str]:
    """Read the column ``video_id`` of a CSV file; a video that is listed twice counts once.

    Raises:
        ValueError: There is no such column, or a name leads out of the root.
    """
    rows = csv.DictReader(open_list(path))
    if _COLUMN not in (rows.fieldnames or ()):
        raise ValueError(f"{path}: there is no column {_COLUMN}, only {', '.join(rows.fieldnames or ())}")
    names = [(number, (row[_COLUMN] or "").strip()) for number, row in enumerate(rows, 2)]
    return list(dict.fromkeys(check_listed(name, f"{path}, row {number}") for number, name in names if name))
