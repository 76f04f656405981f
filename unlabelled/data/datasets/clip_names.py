"""Names of clips in tables of predictions."""

from __future__ import annotations

from typing import NamedTuple


class ClipName(NamedTuple):
    """The file of a clip, and what else is known of it.

    Attributes:
        path: The file, or another name.
        split: Its split.
        start: Beginning in the file in seconds.
        end: End in seconds; None: not known.
        label: Name of its class; empty: none.
        caption: A text; empty: none.
        is_part: True for a part of a file.
    """

    path: str
    split: str
    start: float = 0.0
    end: float | None = None
    label: str = ""
    caption: str = ""
    is_part: bool = False

    @property
    def name(self) -> str:
        """The path, and for a part of a file its seconds: ``a.mp4 [10-20 s]``."""
        return f"{self.path} [{seconds(self.start)}-{seconds(self.end)} s]" if self.is_part else self.path

    def overlaps(self, other: ClipName) -> bool:
        """Return whether two clips have seconds of the same file in common."""
        ends = [float("inf") if each.end is None else each.end for each in (self, other)]
        return self.path == other.path and self.start < ends[1] and other.start < ends[0]


def seconds(time: float | None) -> str:
    """Return a time in seconds with at most three decimals; empty: there is none.

    >>> seconds(7200.125), seconds(12.0), seconds(None)
    ('7200.125', '12', '')
    """
    return "" if time is None else f"{time:.3f}".rstrip("0").rstrip(".")
