"""Data sets of seconds of instructional videos, and of steps of tasks."""

from __future__ import annotations

import functools
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unlabelled.data.datasets.howto100m import FeatureFiles
from unlabelled.data.datasets.samples import SampleDataset
from unlabelled.data.features.tokens import Rows, audio_window
from unlabelled.pipelines.features import Budget, FeaturePipeline, RawClip

_NO_LABEL = -1
AUDIO_PART = "spectrogram"
"""The only part of the features that a video may lack."""


@dataclass(frozen=True)
class StepVideo:
    """A video: the index of its task, its duration in seconds, and the row of its first second."""

    identifier: str
    task: int
    seconds: int
    first: int


class Seconds(SampleDataset):
    """Seconds of videos, each with its context, as tensors.

    Args:
        root: Folder of the features.
        files: Paths of the features below ``root``.
        videos: The videos, in the order of their rows.
        radius: Context before and after each second, in seconds; less at both ends of a video.
        pipeline: Makes tensors.
        budget: Lengths of the tensors.
    """

    def __init__(
        self,
        root: str,
        files: FeatureFiles,
        videos: Sequence[StepVideo],
        radius: float,
        pipeline: FeaturePipeline,
        budget: Budget,
    ) -> None:
        self.root, self.files, self.videos, self.radius = root, files, videos, radius
        self.pipeline, self.budget = pipeline, budget
        self._firsts = np.array([video.first for video in videos])
        self._latest: tuple[int, dict[str, Rows], dict[str, str]] = (-1, {}, {})

    def __len__(self) -> int:
        return self.videos[-1].first + self.videos[-1].seconds

    def position(self, row: int) -> tuple[int, int]:
        """Return the index of the video and the second of a row."""
        number = int(np.searchsorted(self._firsts, row, side="right")) - 1
        return number, row - self.videos[number].first

    def path(self, row: int) -> str:
        """Return the video's identifier and the second."""
        number, second = self.position(row)
        return f"{self.videos[number].identifier}, second {second}"

    def read(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        """Return the tensors around one second, ``label`` -1, and ``video``, ``second`` and ``task``.

        Raises:
            DecodeError: A file is missing or invalid.
        """
        number, second = self.position(row)
        arrays, sources = self._read_video(number)
        around = {name: self._around(name, array, second, number) for name, array in arrays.items()}
        clip = RawClip(
            self.path(row),
            rows_2d=around.get("rows_2d"),
            rows_3d=around.get("rows_3d"),
            spectrogram=around.get("spectrogram"),
            sources=sources,
        )
        numbers = {"video": number, "second": second, "task": self.videos[number].task, "label": _NO_LABEL}
        return {
            **self.pipeline.load(clip, self.budget),
            **{key: torch.tensor(n) for key, n in numbers.items()},
        }

    def _around(self, name: str, array: Rows, second: int, number: int) -> Rows:
        """Return rows ``floor(start * fps)`` to ``ceil(end * fps)``, or the frames of a spectrogram."""
        start = max(0.0, second - self.radius)
        end = min(float(self.videos[number].seconds), second + self.radius)
        if array.ndim != 2:
            return array  # the pipeline raises the error
        if name == "spectrogram":
            return audio_window(array, start, end)
        stream = self.pipeline.stream_3d if name == "rows_3d" else self.pipeline.stream_2d
        fps = stream.fps if stream is not None else 1.0
        return array[math.floor(start * fps) : math.ceil(end * fps)]

    def _read_video(self, number: int) -> tuple[dict[str, Rows], dict[str, str]]:
        """Return the arrays of a video, and their sources; those of the latest video are kept."""
        latest, arrays, sources = self._latest
        if latest != number:
            identifier = self.videos[number].identifier
            exists = functools.partial(self.files.exists, self.root)
            parts = [part for part in self.pipeline.parts if part != AUDIO_PART or exists(identifier, part)]
            found = {part: self.files.read(self.root, identifier, part) for part in parts}
            arrays = {part: array for part, (array, _) in found.items()}
            sources = {part: where for part, (_, where) in found.items()}
            self._latest = (number, arrays, sources)
        return arrays, sources


class Steps(SampleDataset):
    """Texts of steps as tensors.

    Args:
        steps: The texts.
        pipeline: Makes tensors.
        budget: Lengths of the tensors.
    """

    def __init__(self, steps: Sequence[str], pipeline: FeaturePipeline, budget: Budget) -> None:
        self.steps, self.pipeline, self.budget = steps, pipeline, budget

    def __len__(self) -> int:
        return len(self.steps)

    def path(self, row: int) -> str:
        """Return one text."""
        return self.steps[row]

    def read(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        """Return ``text``, ``text_mask`` and ``counts`` of one text, and ``label`` -1."""
        tensors = self.pipeline.load_text(self.steps[row], [self.steps[row]], self.budget)
        return {**tensors, "label": torch.tensor(_NO_LABEL)}


def num_rows(paths: Sequence[str], key: str) -> int:
    """Return the number of rows of the array in the first existing file, from its header alone.

    The number is 0 if none exists, or the file cannot be read.
    """
    path = next((path for path in map(Path, paths) if path.is_file()), None)
    if path is None:
        return 0
    try:
        if path.suffix == ".npy":
            return len(np.load(path, mmap_mode="r", allow_pickle=False))
        with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as file:
            version = np.lib.format.read_magic(file)
            headers = {(1, 0): np.lib.format.read_array_header_1_0}
            shape, _, _ = headers.get(version, np.lib.format.read_array_header_2_0)(file)
            return int(shape[0]) if shape else 0
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return 0
