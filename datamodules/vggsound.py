"""VGG-Sound (Chen et al. 2020): 10-second clips of 309 sounding classes."""

from __future__ import annotations

import csv
from functools import cached_property
from typing import Any

from datamodules.class_groups import read_groups
from datamodules.clips import ClipDataModule
from unlabelled.data.inside import check_listed
from unlabelled.data.lists import one_line, open_list
from unlabelled.data.media.files import find_list
from unlabelled.data.media.index import Entry


class VGGSound(ClipDataModule):
    """Clips listed by the official, header-less ``vggsound.csv``.

    Its columns are ``youtube_id, start_seconds, label, split``. The files ``<id>_<start:06d>.mp4`` (also
    ``<id>_<start>.mp4``, ``<id>_<start>_<end>.mp4`` in seconds or milliseconds, and other containers) may
    lie in any folder below ``root``. The official list has no validation split: ``val`` is ``test``. A list
    with another number of classes than 309 is taken for one of your own: no file may be in both splits.

    Args:
        root: Folder of the data set.
        csv_file: The list, relative to ``root``; ``null``: ``vggsound.csv``.
        group_list: Table with the columns ``class`` and ``group``, relative to ``root``, for scores of
            hierarchies; ``null``: no groups.
        **kwargs: See :class:`~datamodules.clips.ClipDataModule`.

    Raises:
        FileNotFoundError: The list is missing.
        ValueError: A row of the list does not have the four columns, or a file of an own list is in both
            splits.
    """

    num_classes = 309

    def __init__(
        self, root: str, csv_file: str | None = None, group_list: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(root, **kwargs)
        self.csv_file, self.group_list = csv_file, group_list

    @cached_property
    def rows(self) -> list[tuple[str, int, str, str]]:
        """The list: YouTube id, start in seconds, label, split."""
        path = find_list(self.root, ["vggsound.csv"], self.csv_file, type(self).__name__)
        rows = []
        for number, row in enumerate(csv.reader(open_list(path)), 1):
            if not row:
                continue
            if len(row) != 4 or not row[1].strip().isdigit() or row[3].strip() not in ("train", "test"):
                raise ValueError(
                    f"{path}, row {number}: {row} is not `youtube_id,start_seconds,label,train|test`"
                )
            check_listed(row[0], f"{path}, row {number}")
            rows.append((row[0], int(row[1]), one_line(row[2]), row[3].strip()))
        return rows

    @cached_property
    def class_names(self) -> list[str]:
        """The labels of the whole list in alphabetical order."""
        return sorted({label for _, _, label, _ in self.rows})

    @cached_property
    def class_groups(self) -> list[str] | None:
        """The group of each class by ``group_list``; None: no groups."""
        return None if self.group_list is None else read_groups(self.root, self.group_list, self.class_names)

    @property
    def published(self) -> bool:
        """True if the list has as many classes as the official one."""
        return len(self.class_names) == self.num_classes

    def listing(self, split: str) -> list[Entry]:
        """Return the clips of ``train``, or those of ``test`` for ``val`` and ``test``."""
        number = {name: n for n, name in enumerate(self.class_names)}
        return [
            Entry(self.locate(_stems(youtube_id, start), f"{youtube_id}_{start:06d}.mp4"), number[label])
            for youtube_id, start, label in self._split(split)
        ]

    def videos(self, split: str) -> list[str]:
        """Return the YouTube id of each clip."""
        return [youtube_id for youtube_id, _, _ in self._split(split)]

    def _split(self, split: str) -> list[tuple[str, int, str]]:
        official = "train" if split == "train" else "test"
        return [(name, start, label) for name, start, label, its in self.rows if its == official]


def _stems(youtube_id: str, start: int) -> list[str]:
    """Return the file names in use for one clip, the official one first."""
    end = start + 10
    spans = [f"{start:06d}", f"{start}", f"{start}_{end}", f"{start:06d}_{end:06d}", f"{start}000_{end}000"]
    return [f"{youtube_id}_{span}" for span in spans]
