"""Captions of videos with the seconds at which they are spoken, in one table."""

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
        column: Where their texts are.
        row: The video's row there.
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
    """Captions by video; a :class:`~unlabelled.data.features.columns.ColumnTable` underneath.

    Args:
        path: The folder that :func:`write_captions` wrote.

    Raises:
        FileNotFoundError: There is no such table.
        ValueError: It is damaged, or not one of captions.
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
        """Return the row of each video's captions; -1: there are none."""
        return self.table.find("id", videos)

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of captions of each row."""
        return self.table.texts("text").lengths()


def write_captions(path: str, videos: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, int]:
    """Write a table of captions, one video after the other.

    Args:
        path: The folder to write.
        videos: Identifier, and ``start``, ``end`` (seconds) and ``text`` of its captions, equally many.
            They are sorted by ``start``, if they are not.

    Returns:
        How many ``videos`` and ``captions`` there were, videos ``without_captions``, and videos that were
        ``sorted``.

    Raises:
        ValueError: A video occurs twice, or its captions are not equally many finite numbers and texts; says
            which one.
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
                starts, ends, lines = starts[order], ends[order], [lines[place] for place in order]
            writer.append({"id": video, "start": starts, "end": ends, "text": lines})
        writer.meta.update(counts)
    return counts


def _checked(
    video: str, captions: Mapping[str, Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    if not isinstance(captions, Mapping) or not captions.keys() >= set(_FIELDS):
        raise ValueError(f"video {video!r}: expected `start`, `end` and `text`, found {_shown(captions)}")
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
    if not (np.isfinite(starts).all() and np.isfinite(ends).all()):
        raise ValueError(f"video {video!r}: a caption's start or end is not a finite number")
    return starts, ends, ["" if _is_missing(line) else line for line in lines]


def _is_missing(line: Any) -> bool:
    """Whether a text is what table software writes for none: NaN or null."""
    return line is None or (isinstance(line, float) and np.isnan(line))


def _shown(captions: Any) -> str:
    if isinstance(captions, Mapping):
        return ", ".join(repr(key) for key in list(captions)[:5]) or "nothing"
    return type(captions).__name__
