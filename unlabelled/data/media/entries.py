"""The clips of a list, in columns."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.strings import Strings


@dataclass(frozen=True, slots=True)
class Entry:
    """One clip of a list.

    Attributes:
        path: Relative to the root, with forward slashes.
        label: Its class; -1: none.
        start: Beginning in the file in seconds.
        end: End in seconds; None: that of the file.
    """

    path: str
    label: int
    start: float = 0.0
    end: float | None = None

    @property
    def is_span(self) -> bool:
        """True for a part of a file."""
        return self.start > 0 or self.end is not None

    @property
    def key(self) -> tuple[Any, ...]:
        """Path and label, and for a part of a file its times: what identifies the clip."""
        whole = (self.path, self.label)
        return (*whole, self.start, self.end) if self.is_span else whole


class Entries(Sequence[Entry]):
    """Clips in columns of 24 bytes a clip, and 8 bytes and the name for each file.

    Objects would take 200 bytes a clip, again in each process that reads them, as reference counts are
    written to their memory.

    Args:
        entries: The clips, which :meth:`__getitem__` returns by their row.

    Attributes:
        names: Path of each file, once.
        file: ``(N,)`` int32, number of the file of each clip.
        label: ``(N,)`` int32.
        start: ``(N,)`` float64, seconds.
        end: ``(N,)`` float64, seconds; NaN: that of the file.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        known: dict[str, int] = {}
        file, label, start, end = array("i"), array("i"), array("d"), array("d")
        number = count()
        for entry in entries:
            if entry.path not in known:
                known[entry.path] = next(number)
            file.append(known[entry.path])
            label.append(entry.label)
            start.append(entry.start)
            end.append(math.nan if entry.end is None else entry.end)
        self.names = Strings(known)
        self.file: NDArray[np.int32] = np.frombuffer(file, np.int32)
        self.label: NDArray[np.int32] = np.frombuffer(label, np.int32)
        self.start: NDArray[np.float64] = np.frombuffer(start, np.float64)
        self.end: NDArray[np.float64] = np.frombuffer(end, np.float64)

    @classmethod
    def of(cls, columns: Mapping[str, NDArray[Any]]) -> Entries:
        """Return the clips of existing :meth:`columns`, which may be memory-mapped."""
        entries = cls()
        entries.names = Strings.of(columns["text"], columns["ends"])
        entries.file, entries.label = columns["file"], columns["label"]
        entries.start, entries.end = columns["start"], columns["end"]
        return entries

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        spans: dict[str, NDArray[Any]] = {
            "file": self.file,
            "label": self.label,
            "start": self.start,
            "end": self.end,
        }
        return {**spans, "text": self.names.text, "ends": self.names.ends}

    def __len__(self) -> int:
        return len(self.file)

    @overload
    def __getitem__(self, row: int) -> Entry: ...

    @overload
    def __getitem__(self, row: slice) -> list[Entry]: ...

    def __getitem__(self, row: int | slice) -> Entry | list[Entry]:
        if isinstance(row, slice):
            return [self[number] for number in range(*row.indices(len(self)))]
        end = float(self.end[row])
        return Entry(
            self.path(row), int(self.label[row]), float(self.start[row]), None if math.isnan(end) else end
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(_equal, self, other))

    __hash__ = None  # type: ignore[assignment]

    def path(self, row: int) -> str:
        """Return the file of one clip, relative to the root."""
        return self.names[int(self.file[row])]

    @property
    def is_span(self) -> NDArray[np.bool_]:
        """``(N,)``: True for a part of a file."""
        return (self.start > 0) | ~np.isnan(self.end)

    @property
    def paths(self) -> Iterator[str]:
        """The files that have a clip, each once."""
        return (self.names[number] for number in np.unique(self.file).tolist())

    @property
    def num_files(self) -> int:
        """Number of files that have a clip."""
        return len(np.unique(self.file))


def _equal(one: Entry, other: object) -> bool:
    return one == other
