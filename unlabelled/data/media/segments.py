"""Parts of files as clips: spans of a list, and segments of long files."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from unlabelled.data.media.entries import Entries, Entry
from unlabelled.data.media.index import ClipIndex
from unlabelled.data.media.probe import DURATION_SLACK, TOO_SHORT

BEYOND_END = "starts after the end of its file"


@dataclass(frozen=True)
class Segments:
    """Division of files, or of spans of them, into segments of equal duration.

    Segments begin every ``stride`` seconds. Where they do not reach the end, one more ends there. What is
    shorter than a segment is one clip.

    Args:
        seconds: Duration of a segment.
        stride: Seconds from the start of one to that of the next; None: ``seconds``, without gaps or overlap.

    Raises:
        ValueError: A number is not positive.
    """

    seconds: float
    stride: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("segment_seconds", self.seconds), ("stride_seconds", self.stride)):
            if value is not None and not value > 0:
                raise ValueError(f"{name}={value:g} must be above 0 seconds")

    def __call__(self, start: float, end: float) -> Iterator[tuple[float, float]]:
        """Yield start and end of each segment.

        >>> list(Segments(seconds=4.0, stride=3.0)(0.0, 9.0))
        [(0.0, 4.0), (3.0, 7.0), (5.0, 9.0)]
        """
        stride, number = self.stride or self.seconds, 0
        reached = start
        while (begin := start + number * stride) + self.seconds <= end + DURATION_SLACK:
            reached = min(begin + self.seconds, end)
            yield round(begin, 6), round(reached, 6)
            number += 1
        if number == 0:
            yield start, end
        elif end - reached > DURATION_SLACK:
            yield round(end - self.seconds, 6), round(end, 6)


def cut_index(index: ClipIndex, segments: Segments | None, shortest: float) -> ClipIndex:
    """Return the index of the parts of files, from one of whole files whose entries may be spans.

    Args:
        index: The usable files; the durations are those of the files, from where all streams have begun.
        segments: The division; None: each span is one clip.
        shortest: Smallest duration of a clip in seconds.
    """
    durations, left_out = array("d"), dict(index.left_out)
    entries = Entries(_cut(index, segments, shortest, durations, left_out))
    files_left_out = index.listed - len(index.entries)
    spans_left_out = len(left_out) - len(index.left_out)
    listed = len(entries) + files_left_out + spans_left_out
    seconds = np.frombuffer(durations, np.float64)
    return replace(index, entries=entries, durations=seconds, left_out=left_out, listed=listed)


def _cut(
    index: ClipIndex,
    segments: Segments | None,
    shortest: float,
    durations: array[float],
    left_out: dict[str, str],
) -> Iterator[Entry]:
    """Yield the clips; append their durations, and add the reasons of the spans that are left out."""
    for entry, seconds in zip(index.entries, index.durations.tolist(), strict=True):
        late = index.late.get(entry.path, 0.0)
        begin, last = max(entry.start, late), late + seconds  # all streams are there from begin to last
        end = last if entry.end is None else min(entry.end, last)
        if end - begin < max(shortest - DURATION_SLACK, 0.0) or end <= begin:
            left_out[_name(entry)] = BEYOND_END if begin >= last else TOO_SHORT
            continue
        for start, stop in [(begin, end)] if segments is None else segments(begin, end):
            whole = start == late and stop == last
            durations.append(round(stop - start, 6))
            yield replace(entry, start=0.0 if whole else start, end=None if whole else stop)


def _name(entry: Entry) -> str:
    end = "" if entry.end is None else f"{entry.end:g}"
    return f"{entry.path} [{entry.start:g}-{end} s]" if entry.is_span else entry.path
