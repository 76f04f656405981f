"""AVE (Tian et al. 2018): audio-visual events of 28 classes in 10-second clips."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from datamodules.clips import ClipDataModule
from unlabelled.data.inside import check_listed
from unlabelled.data.lists import read_lines
from unlabelled.data.media.files import find_list
from unlabelled.data.media.index import Entry

_COLUMNS = 5  # Category&VideoID&Quality&StartTime&EndTime
_LISTS = {"train": "trainSet.txt", "val": "valSet.txt", "test": "testSet.txt"}


class AVE(ClipDataModule):
    """Clips listed by ``trainSet.txt``, ``valSet.txt`` and ``testSet.txt`` of the official release.

    Each line is ``Category&VideoID&Quality&StartTime&EndTime``; a header is skipped. A video with several
    events is listed once per split, under its first category. The files ``<VideoID>.mp4`` may lie in any
    folder below ``root``.

    Args:
        root: Folder of the data set.
        **kwargs: See :class:`~datamodules.clips.ClipDataModule`.

    Raises:
        FileNotFoundError: A list is missing.
        ValueError: A line does not have five fields.
    """

    published = True

    def __init__(self, root: str, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)

    @cached_property
    def class_names(self) -> list[str]:
        """The categories of all three lists in alphabetical order."""
        return sorted({category for split in _LISTS for category, _ in self._events(split)})

    def listing(self, split: str) -> list[Entry]:
        """Return the clips of one official list."""
        number = {name: n for n, name in enumerate(self.class_names)}
        categories: dict[str, str] = {}
        for category, video in self._events(split):
            categories.setdefault(video, category)
        return [
            Entry(self.locate([video], f"{video}.mp4"), number[category])
            for video, category in categories.items()
        ]

    def _events(self, split: str) -> list[tuple[str, str]]:
        path = find_list(self.root, [_LISTS[split], f"annotations/{_LISTS[split]}"], None, "AVE")
        events = []
        for number, line in enumerate(read_lines(path), 1):
            if line.strip() and not line.startswith("Category&"):
                events.append(_parse(line, path, number))
        return events


def _parse(line: str, path: Path, number: int) -> tuple[str, str]:
    fields = line.strip().split("&")
    if len(fields) != _COLUMNS:
        raise ValueError(f"{path}, line {number}: {line!r} is not Category&VideoID&Quality&StartTime&EndTime")
    return fields[0], check_listed(fields[1], f"{path}, line {number}")
