"""Directions of a search, as YAML writes them: `text->video+audio`."""

from __future__ import annotations

from typing import NamedTuple

from unlabelled.modalities import parts_of


class Direction(NamedTuple):
    """Names of the features that ask and of those that are searched."""

    query: str
    gallery: str

    @property
    def tag(self) -> str:
        """A part of metrics' names: ``text_to_video+audio``."""
        return f"{self.query}_to_{self.gallery}"

    def __str__(self) -> str:
        return f"{self.query}->{self.gallery}"


def parse_direction(text: str, owner: str) -> Direction:
    """Read ``<query>-><gallery>``.

    Raises:
        ValueError: It is not that, or one of them is no feature; says which callback (``owner``) wants it.
    """
    ends = [end.strip() for end in text.split("->")]
    if len(ends) != 2 or not all(ends):
        raise ValueError(
            f"{owner}: direction {text!r}; expected `<query>-><gallery>`, such as `text->video+audio`"
        )
    for end in ends:
        parts_of(end)
    return Direction(*ends)
