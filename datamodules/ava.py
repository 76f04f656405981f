"""AVA (Gu et al. 2018): actions of persons in key frames of movies; and own data with such lists."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from datamodules.base import SampleDataModule
from unlabelled.data.datasets.ava_lists import (
    KeyFrame,
    Persons,
    read_actions,
    read_excluded,
    read_persons,
)
from unlabelled.data.datasets.clip_names import ClipName
from unlabelled.data.datasets.key_frames import (
    KeyFrameDataset,
    KeyFrameIndex,
    Movie,
    PersonTable,
    collate_key_frames,
    only_actions,
)
from unlabelled.data.datasets.movie_files import find_movies, frame_folders
from unlabelled.data.left_out import list_left_out
from unlabelled.data.media.files import find_list
from unlabelled.data.media.frame_folders import FrameFolders
from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import Reader
from unlabelled.pipelines import KeyFrameClips


class AVA(SampleDataModule[KeyFrameIndex, KeyFrameClips]):
    """Key frames of ``train``, and of the published validation list as ``val`` and ``test``.

    The lists lie in ``root`` or ``root/annotations``: ``ava_{train,val}_<version>.csv``,
    ``ava_{train,val}_excluded_timestamps_<version>.csv`` if there is one, and the label map
    ``ava_action_list_<version>_for_activitynet_2019.pbtxt``, whose actions are evaluated. The movies are
    either folders of frames, 30 per second from second 900 on, ``root/frames/<movie>/<movie>_000001.jpg``,
    or files ``<movie>.*`` in any folder below ``root``, whole or cut from second 900 on.

    Args:
        root: Folder of the data set.
        pipeline: Makes tensors of a key frame and its boxes; ``null``: 8 frames of 64 at 224x224.
        version: Version of the lists.
        train_detections: List of detected persons with actions and scores, to train on beside the annotated
            ones; relative to ``root`` or its ``annotations``; ``null``: the annotated ones alone.
        test_detections: List of detected persons with scores, whose actions are predicted in evaluation;
            ``null``: the annotated boxes, an upper bound.
        threshold: Smallest score of a detected person.
        num_actions: Number of actions, evaluated or not.
        label_map: File with the names of the evaluated actions; ``null``: that of ``version``.
        begin: Second of the lists at which the files begin; ``null``: 900, but 0 for files of more than 20
            minutes, which are whole movies.
        reader: Decodes files; ``null``: :class:`~unlabelled.data.media.PyAVReader`.
        index_workers: Number of processes that check the files before the first run; ``null``: one per core.
        **kwargs: See :class:`~datamodules.base.SampleDataModule`.

    Raises:
        FileNotFoundError: A list is missing.
        OutsideRootError: A link leads out of ``root``, or the name of a movie does.
        ValueError: A list is malformed, or no key frame has a movie.
    """

    holds = ("video",)
    published = True

    def __init__(
        self,
        root: str,
        pipeline: KeyFrameClips | None = None,
        version: str = "v2.2",
        train_detections: str | None = None,
        test_detections: str | None = None,
        threshold: float = 0.9,
        num_actions: int = 80,
        label_map: str | None = None,
        begin: float | None = None,
        reader: Reader | None = None,
        index_workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, pipeline if pipeline is not None else KeyFrameClips(), **kwargs)
        self.version, self.threshold, self.num_actions = version, threshold, num_actions
        self.detections = {"train": train_detections, "val": test_detections, "test": test_detections}
        self.label_map, self.begin, self.index_workers = label_map, begin, index_workers
        self.reader: Reader = reader if reader is not None else PyAVReader()

    @cached_property
    def actions(self) -> dict[int, str]:
        """The evaluated actions by number."""
        name = self.label_map or f"ava_action_list_{self.version}_for_activitynet_2019.pbtxt"
        return read_actions(self._list(name))

    @property
    def class_names(self) -> list[str]:
        """The actions by number; label 0 is action 1."""
        return [self.actions.get(number, f"action {number}") for number in range(1, self.num_actions + 1)]

    @property
    def collate(self) -> Callable[[list[Any]], Any]:
        """Lists of videos, which differ in size, and of boxes."""
        return collate_key_frames

    def prepare_data(self) -> None:
        """Check the files, in one process per node; the others read the results from disk."""
        super().prepare_data()
        for split in self.stage_splits(self._stage):
            self._index(split)

    def find(self, split: str) -> KeyFrameIndex:
        """Return the key frames of a split whose movies are on disk, those without persons left out.

        Raises:
            ValueError: There is none.
        """
        part = "train" if split == "train" else "val"
        truth: Persons = {}
        read_persons(self._list(f"ava_{part}_{self.version}.csv"), truth, self.num_actions)
        proposals = self._proposals(split, truth)
        excluded = self._excluded(part)
        listed = {frame for each in (truth, proposals) for frame, boxes in each.items() if boxes} - excluded
        movies, left_out = self._movies(split, sorted({movie for movie, _ in listed}))
        frames = [frame for frame in sorted(listed) if _is_within(frame, movies)]
        lost = [f"{movie} [{second} s]" for movie, second in sorted(listed.difference(frames))]
        if not frames:
            raise ValueError(
                f"{type(self).__name__}, {split}: none of {len(listed)} key frames has a usable movie in "
                f"root={self.root!r}; expected root/frames/<movie>/ or files <movie>.mp4"
            )
        if split != "train":
            truth = only_actions(truth, set(self.actions))
        table = PersonTable(proposals, frames, self.num_actions)
        annotated = table if split == "train" else PersonTable(truth, frames, self.num_actions)
        remarks = list_left_out({**left_out, "key frames without a movie, left out:": lost})
        summary = "".join(f"; {text}" for text in remarks)
        return KeyFrameIndex(split, frames, movies, table, annotated, summary)

    def _proposals(self, split: str, truth: Persons) -> Persons:
        """Return the boxes whose actions are predicted; in training, detections are added to ``truth``."""
        name = self.detections[split]
        if name is None:
            return truth
        persons: Persons = truth if split == "train" else {}
        read_persons(self._list(name), persons, self.num_actions, self.threshold)
        return persons

    def _excluded(self, part: str) -> set[KeyFrame]:
        try:
            return read_excluded(self._list(f"ava_{part}_excluded_timestamps_{self.version}.csv"))
        except FileNotFoundError:
            return set()

    def _list(self, name: str) -> Path:
        return find_list(self.root, [name, f"annotations/{name}"], None, type(self).__name__)

    def _movies(self, split: str, names: list[str]) -> tuple[dict[str, Movie], dict[str, list[str]]]:
        """Return the movies on disk, and the names of others by reason."""
        if Path(self.root, "frames").is_dir():
            return frame_folders(self.root, names, self.begin, self.allow_outside)
        progress = self._rank()[0] == 0
        return find_movies(
            self.root, split, names, self.begin, self.allow_outside, self.index_workers, progress
        )

    def dataset(self, split: str, train: bool) -> KeyFrameDataset:
        """Return the key frames of a split."""
        reader = FrameFolders() if Path(self.root, "frames").is_dir() else self.reader
        return KeyFrameDataset(self._indices[split], reader, self.active_pipeline, train)

    def clip_paths(self, split: str) -> list[str]:
        """Return the file or folder of each row of a split."""
        index = self._indices[split]
        return [index.movie(row).path for row in range(len(index))]

    def clip_names(self, split: str) -> list[ClipName]:
        """Return the file of each row of a split, and the seconds of its clip."""
        index, half = self._indices[split], self.active_pipeline.duration / 2
        times = [(index.movie(row).path, index.time(row)) for row in range(len(index))]
        return [ClipName(path, split, time - half, time + half, is_part=True) for path, time in times]


def _is_within(frame: KeyFrame, movies: dict[str, Movie]) -> bool:
    movie = movies.get(frame[0])
    return movie is not None and 0 <= frame[1] - movie.begin <= movie.duration
