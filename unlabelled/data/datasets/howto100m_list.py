"""The list of HowTo100M's videos, converted once to a memory-mapped table."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import os
from collections.abc import Iterator
from itertools import compress, islice

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.features.captions import CaptionTable
from unlabelled.data.features.column_format import encode, scalar, text
from unlabelled.data.features.column_writer import ColumnWriter
from unlabelled.data.features.columns import ColumnTable
from unlabelled.data.inside import check_listed
from unlabelled.data.left_out import MAX_NAMES, list_left_out
from unlabelled.data.lists import encoding_of
from unlabelled.data.media.storage import derived_folder, short_hash

_VERSION = 2  # to be raised when the table of a list may differ from that of earlier versions
_BLOCK = 1 << 16
_REASONS = ("no captions", "empty captions")


class HowTo100MIndex:
    """The captioned videos of a list; see :class:`~unlabelled.data.datasets.samples.SampleIndex`.

    Args:
        table: Table that :func:`open_list` returned.
        split: Name of the list, for messages.
    """

    def __init__(self, table: ColumnTable, split: str = "train") -> None:
        self.table, self.split = table, split
        self.paths = table.text("path")

    def __len__(self) -> int:
        return len(self.table)

    @property
    def fingerprint(self) -> str:
        """Hash of 16 hexadecimal digits of the videos and their order."""
        return str(self.table.meta["fingerprint"])

    @property
    def categories(self) -> list[str]:
        """First components of the paths, in alphabetical order."""
        return list(self.table.meta["categories"])

    def category(self, row: int) -> int:
        """Return the index of a video's category."""
        return int(self.table.scalars("category")[row])

    def caption_row(self, row: int) -> int:
        """Return the row of a video's captions in the table of captions."""
        return int(self.table.scalars("captions")[row])

    def summary(self) -> str:
        """Return one line: the numbers of usable and left out videos, with reasons and five names each."""
        listed, left_out = self.table.meta["listed"], self.table.meta["left_out"]
        line = f"{self.split}: {len(self)} of {listed} videos have captions"
        names = {reason: found for reason, (_, found) in left_out.items()}
        parts = list_left_out(names, {reason: count for reason, (count, _) in left_out.items()})
        return line + (f"; left out {listed - len(self)}: {', '.join(parts)}" if parts else "")


def open_list(root: str, list_file: str, captions: CaptionTable) -> ColumnTable:
    """Return the captioned videos of a list: columns ``path``, ``category`` and ``captions``.

    The table is written to ``.unlabelled/howto100m`` below ``root`` or to the user's cache folder, once and
    whenever the list or the captions have changed. Several processes may call this function at the same time.

    Args:
        root: Folder of the data set.
        list_file: Text with a column ``path`` of ``category/.../video``; ``None/`` is removed from the paths.
        captions: Captions of the videos.

    Raises:
        FileNotFoundError: There is no such list.
        ValueError: It has no column ``path``.
    """
    state = [_VERSION, _state(list_file), _state(os.path.join(captions.table.path, "table.json"))]
    path = os.path.join(derived_folder(root, "howto100m"), f"list-{short_hash(repr(state))}")
    try:
        return ColumnTable(path)
    except FileNotFoundError:
        pass
    with contextlib.suppress(FileExistsError):  # another process has written the same table
        _write(path, list_file, captions)
    return ColumnTable(path)


def _state(path: str) -> tuple[str, int, int]:
    try:
        status = os.stat(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"HowTo100M: there is no list {path}") from error
    return os.path.abspath(path), status.st_size, status.st_mtime_ns


def _write(path: str, list_file: str, captions: CaptionTable) -> None:
    categories, lengths = _categories(list_file), captions.lengths()
    number = {name: index for index, name in enumerate(categories)}
    left_out: dict[str, tuple[int, list[str]]] = {}
    digest, listed = hashlib.sha256(), 0
    columns = {"path": text(), "category": scalar("i4"), "captions": scalar("i8")}
    with ColumnWriter(path, columns) as writer:
        for paths, rows in _blocks(list_file, captions):
            listed += len(paths)
            usable = [row >= 0 and lengths[row] > 0 for row in rows.tolist()]
            kept = list(compress(paths, usable))
            numbers = [number[_category(video)] for video in kept]
            writer.extend({"path": kept, "category": numbers, "captions": rows[usable]})
            digest.update(b"".join(encode(video) + b"\n" for video in kept))
            for video, row, use in zip(paths, rows.tolist(), usable, strict=True):
                if not use:
                    _leave_out(left_out, _REASONS[row >= 0], video)
        writer.meta.update(
            listed=listed,
            left_out=left_out,
            categories=categories,
            fingerprint=digest.hexdigest()[:16],
        )


def _leave_out(left_out: dict[str, tuple[int, list[str]]], reason: str, video: str) -> None:
    count, names = left_out.get(reason, (0, []))
    left_out[reason] = (count + 1, [*names, video] if len(names) < MAX_NAMES else names)


def _blocks(list_file: str, captions: CaptionTable) -> Iterator[tuple[list[str], NDArray[np.int64]]]:
    """Yield blocks of paths, and the row of the captions of each path (-1: no captions)."""
    paths = listed_paths(list_file)
    while block := list(islice(paths, _BLOCK)):
        yield block, captions.find([video_id(path) for path in block])


def _categories(list_file: str) -> list[str]:
    return sorted({_category(path) for path in listed_paths(list_file)})


def listed_paths(list_file: str) -> Iterator[str]:
    """Yield the paths of a list of videos.

    Raises:
        ValueError: It has no column ``path``, or a line has none.
    """
    with open(list_file, encoding=encoding_of(list_file), newline="") as file:
        reader = csv.reader(file)
        header = [name.strip() for name in next(reader, [])]
        if "path" not in header:
            raise ValueError(f"{list_file}: expected a column `path` in its first line, found {header}")
        column = header.index("path")
        for row in reader:
            if not row:
                continue
            if len(row) <= column or not row[column].strip():
                raise ValueError(f"{list_file}, line {reader.line_num}: {row} has no path")
            path = row[column].strip().replace("None/", "")
            yield check_listed(path, f"{list_file}, line {reader.line_num}")


def video_id(path: str) -> str:
    """Return the last component of a path."""
    return path.rsplit("/", 1)[-1]


def _category(path: str) -> str:
    """Return the first component of a path, or an empty text for a path without folders."""
    first, slash, _ = path.partition("/")
    return first if slash else ""
