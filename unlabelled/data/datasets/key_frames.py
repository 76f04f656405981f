"""Key frames of movies with boxes of persons and their actions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from unlabelled.data.datasets.ava_lists import Box, KeyFrame, Persons
from unlabelled.data.datasets.samples import SampleDataset
from unlabelled.data.media.reader import Reader
from unlabelled.pipelines.key_frames import KeyFrameClips


class Movie(NamedTuple):
    """A file and the second of its movie at which it begins.

    Attributes:
        path: The file.
        begin: Second of the lists that is second 0 of the file.
        duration: Its duration in seconds.
    """

    path: str
    begin: float
    duration: float


class PersonTable:
    """Boxes and actions by row of key frames, as arrays, whose memory processes share.

    Args:
        persons: The persons by key frame.
        frames: The key frames of the rows.
        num_actions: C.
    """

    def __init__(self, persons: Persons, frames: Sequence[KeyFrame], num_actions: int) -> None:
        found = [persons.get(frame, {}) for frame in frames]
        self.ends = np.cumsum([len(boxes) for boxes in found], dtype=np.int64)
        self.boxes = np.array([box for boxes in found for box in boxes], np.float64).reshape(-1, 4)
        self.actions = np.zeros((len(self.boxes), num_actions), np.bool_)
        numbers = [each for boxes in found for each in boxes.values()]
        for row, of_box in enumerate(numbers):
            self.actions[row, [number - 1 for number in of_box]] = True

    def of(self, row: int) -> tuple[Tensor, Tensor]:
        """Return boxes ``(n, 4)`` and actions ``(n, C)`` of a key frame."""
        rows = slice(self.ends[row - 1] if row else 0, self.ends[row])
        return torch.from_numpy(self.boxes[rows]), torch.from_numpy(self.actions[rows])


@dataclass(frozen=True)
class KeyFrameIndex:
    """The usable key frames of one split.

    Attributes:
        split: Name of the split.
        frames: Movie and second of each row.
        movies: The file of each movie.
        proposals: Boxes whose actions are predicted.
        truth: Boxes with their actions; in training those of ``proposals``.
        remarks: What was left out, for :meth:`summary`.
    """

    split: str
    frames: Sequence[KeyFrame]
    movies: Mapping[str, Movie]
    proposals: PersonTable
    truth: PersonTable
    remarks: str = ""

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def fingerprint(self) -> str:
        """Hash of 16 hexadecimal digits of key frames, boxes and actions."""
        digest = hashlib.sha256(json.dumps(list(self.frames)).encode())
        for table in (self.proposals, self.truth):
            for part in (table.ends, table.boxes, table.actions):
                digest.update(part.tobytes())
        return digest.hexdigest()[:16]

    def summary(self) -> str:
        """Return one line: the numbers of key frames, movies and boxes."""
        boxes = len(self.proposals.boxes)
        movies = len({movie for movie, _ in self.frames})
        return f"{self.split}: {len(self)} key frames of {movies} movies, {boxes} boxes{self.remarks}"

    def movie(self, row: int) -> Movie:
        """Return the file of a row."""
        return self.movies[self.frames[row][0]]

    def time(self, row: int) -> float:
        """Return the second of the key frame in its file."""
        return self.frames[row][1] - self.movie(row).begin


def only_actions(persons: Persons, kept: set[int]) -> Persons:
    """Return persons with these actions alone; boxes without any stay."""

    def chosen(boxes: Mapping[Box, list[int]]) -> dict[Box, list[int]]:
        return {box: [number for number in numbers if number in kept] for box, numbers in boxes.items()}

    return {frame: chosen(boxes) for frame, boxes in persons.items()}


class KeyFrameDataset(SampleDataset):
    """Key frames as tensors: ``video (3, T, H, W)``, ``target``, ``index ()`` and ``replaced ()``.

    The target has ``boxes (n, 4)`` in pixels of the video, the same as shares of the whole frame
    (``shares``), their ``actions (n, C)``, and the ground truth: ``truth (m, 4)`` in shares,
    ``truth_actions (m, C)``.

    Args:
        index: The key frames.
        reader: Decodes their files.
        pipeline: Makes tensors.
        train: Augment at random; otherwise as in evaluation.
    """

    def __init__(self, index: KeyFrameIndex, reader: Reader, pipeline: KeyFrameClips, train: bool) -> None:
        self.index, self.reader, self.pipeline, self.train = index, reader, pipeline, train

    def __len__(self) -> int:
        return len(self.index)

    def path(self, row: int) -> str:
        """Return the file of one row."""
        return self.index.movie(row).path

    def read(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        """Return the pipeline's video and the target."""
        shares, actions = self.index.proposals.of(row)
        truth, truth_actions = self.index.truth.of(row)
        time = self.index.time(row)
        video, boxes = self.pipeline.load(self.reader, self.path(row), time, shares, rng, self.train)
        return {
            "video": video,
            "target": {
                "boxes": boxes,
                "shares": shares,
                "actions": actions,
                "truth": truth,
                "truth_actions": truth_actions,
            },
        }


def collate_key_frames(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a batch: lists of videos, which differ in size, and targets; tensors of all else."""
    return {
        key: [sample[key] for sample in samples]
        if key in ("video", "target")
        else torch.stack([sample[key] for sample in samples])
        for key in samples[0]
    }
