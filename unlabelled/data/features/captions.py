"""Tables of the captions of videos and their times in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.features.column_format import ragged, text, texts
from unlabelled.data.features.column_writer import ColumnWriter
from unlabelled.data.features.columns import ColumnTable, TextsColumn

_FIELDS = ("start", "end", "text")


@dataclass(frozen=True)
class Captions:
    """The captions of one video, sorted by ``starts``.

    Attributes:
        starts: Seconds ``(n,)``.
        ends: Seconds ``(n,)``.
        column: Column of the texts.
        row: Row of the video in ``column``.
    """

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    column: TextsColumn
    row: int

    def __len__(self) -> int:
        return len(self.starts)

    def texts(self, chosen: Sequence[int]) -> list[str]:
        """Return the texts of some captions, in the order of ``chosen``."""
        return self.column.part(self.row, chosen)


class CaptionTable:
    """Captions by video; stored as a :class:`~unlabelled.data.features.columns.ColumnTable`.

    Args:
        path: The folder that :func:`write_captions` wrote.

    Raises:
        FileNotFoundError: There is no such table.
        ValueError: It is damaged, or not a table of captions.
    """

    def __init__(self, path: str) -> None:
        self.table = ColumnTable(path)
        missing = {"id", "start", "end", "text"} - self.table.columns.keys()
        if missing:
            raise ValueError(f"{path} is not a table of captions: it has no column {min(missing)!r}")

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, row: int) -> Captions:
        starts, ends = self.table.ragged("start")[row], self.table.ragged("end")[row]
        return Captions(starts, ends, self.table.texts("text"), row)

    def find(self, videos: Sequence[str]) -> NDArray[np.int64]:
        """Return the row of the captions of each video; -1: no captions."""
        return self.table.find("id", videos)

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of captions of each row."""
        return self.table.texts("text").lengths()


def write_captions(path: str, videos: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, int]:
    """Write a table of captions, video by video.

    Args:
        path: The folder to write.
        videos: Identifiers, and ``start``, ``end`` (seconds) and ``text`` of the captions, equally many. They
            are sorted by ``start``.

    Returns:
        The numbers of ``videos``, ``captions``, videos ``without_captions`` and videos that were ``sorted``.

    Raises:
        ValueError: A video occurs twice, or its captions are not equally many finite numbers and texts.
    """
    columns = {"id": text(key=True), "start": ragged("f8"), "end": ragged("f8"), "text": texts()}
    counts = {"videos": 0, "captions": 0, "without_captions": 0, "sorted": 0}
    with ColumnWriter(path, columns) as writer:
        for video, captions in videos:
            starts, ends, lines = _checked(video, captions)
            counts["videos"] += 1
            counts["captions"] += len(lines)
            counts["without_captions"] += not lines
            if np.any(starts[1:] < starts[:-1]):
                counts["sorted"] += 1
                order = np.argsort(starts, kind="stable")
                starts, ends, lines = starts[order], ends[order], [lines[index] for index in order]
            writer.append({"id": video, "start": starts, "end": ends, "text": lines})
        writer.meta.update(counts)
    return counts


def _checked(
    video: str, captions: Mapping[str, Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    if not isinstance(captions, Mapping) or not captions.keys() >= set(_FIELDS):
        raise ValueError(f"video {video!r}: expected `start`, `end` and `text`, found {_summary(captions)}")
    try:
        starts, ends = (np.asarray(captions[name], dtype=np.float64) for name in ("start", "end"))
    except (TypeError, ValueError) as error:
        raise ValueError(f"video {video!r}: `start` and `end` must be seconds ({error})") from error
    lines = list(captions["text"])
    if starts.ndim != 1 or not len(starts) == len(ends) == len(lines):
        raise ValueError(
            f"video {video!r}: expected as many starts and ends as texts, found {starts.shape}, "
            f"{ends.shape} and {len(lines)}"
        )
    if (broken := ~(np.isfinite(starts) & np.isfinite(ends))).any():
        raise ValueError(
            f"video {video!r}, caption {int(broken.argmax())}: start or end is not a finite number"
        )
    lines = ["" if is_missing_text(line) else line for line in lines]
    for number, line in enumerate(lines):
        if not isinstance(line, str):
            raise ValueError(f"video {video!r}, caption {number}: {line!r} is no text")
    return starts, ends, lines


def is_missing_text(line: Any) -> bool:
    """Return whether a text is NaN or null, which table software writes for a missing text."""
    return line is None or (isinstance(line, float) and np.isnan(line))


def _summary(captions: Any) -> str:
    if isinstance(captions, Mapping):
        return ", ".join(repr(key) for key in list(captions)[:5]) or "nothing"
    return type(captions).__name__
