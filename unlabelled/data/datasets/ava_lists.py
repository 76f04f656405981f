"""Read the lists of AVA: persons and their actions by key frame, names of actions, excluded key frames."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

from unlabelled.data.inside import check_listed
from unlabelled.data.lists import open_list, read_text

KeyFrame = tuple[str, int]
"""Name of a movie, and a second."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as shares of width and height."""
Persons = dict[KeyFrame, dict[Box, list[int]]]
"""Boxes of each key frame, and the numbers of the actions of each box."""

_LABEL = re.compile(r'name:\s*"([^"]*)"\s*(?:label_)?id:\s*(\d+)')
_FRAME_ALONE, _WITH_SCORE, _SCORE = 2, 8, 7  # numbers of columns, and a column
_LARGEST_SHARE = 2.0  # boxes may leave the frame a little; pixels are larger


def read_persons(path: Path, persons: Persons, num_actions: int, threshold: float | None = None) -> None:
    """Add the boxes of a list to ``persons``: ``movie,second,left,top,right,bottom,action,...``, no header.

    A row with movie and second alone is a key frame without persons; without a number, the action is none.
    Rows of one box have one action each.

    Args:
        path: The list.
        persons: The boxes that are known so far; changed in place.
        num_actions: Largest number of an action.
        threshold: Leave out detections with a score, in column 8, below it; None: the list has no scores.

    Raises:
        OutsideRootError: The name of a movie leads out of the root.
        ValueError: A row is malformed.
    """
    for number, row in enumerate(csv.reader(open_list(path)), 1):
        if not row:
            continue
        where = f"{path}, row {number}"
        try:
            if threshold is not None and float(row[_SCORE]) < threshold:
                continue
            frame, box, action = _columns(row)
        except (IndexError, ValueError) as error:
            score = "" if threshold is None else ", and a score in column 8"
            raise ValueError(
                f"{where}: {','.join(row)} is not `movie,second,left,top,right,bottom,action`, with a box in "
                f"shares of width and height{score}"
            ) from error
        if action is not None and not 1 <= action <= num_actions:
            raise ValueError(f"{where}: action {action} is not from 1 to {num_actions}")
        check_listed(frame[0], where)
        boxes = persons.setdefault(frame, {})
        if box is not None:
            boxes.setdefault(box, []).extend([] if action is None else [action])


def _columns(row: list[str]) -> tuple[KeyFrame, Box | None, int | None]:
    frame = row[0].strip(), int(row[1])
    if len(row) == _FRAME_ALONE:
        return frame, None, None
    left, top, right, bottom = (float(value) for value in row[2:6])
    if not all(math.isfinite(value) and abs(value) < _LARGEST_SHARE for value in (left, top, right, bottom)):
        raise ValueError("not shares of width and height")
    return frame, (left, top, right, bottom), int(row[6]) if row[6].strip() else None


def read_actions(path: Path) -> dict[int, str]:
    """Return the names of actions by number, of a label map in the text format of protocol buffers.

    Raises:
        ValueError: It has no action.
    """
    names = {int(number): name for name, number in _LABEL.findall(read_text(path))}
    if not names:
        raise ValueError(f'{path}: no action; expected entries such as name: "stand" id: 12')
    return names


def read_excluded(path: Path) -> set[KeyFrame]:
    """Return the key frames of a list ``movie,second``.

    Raises:
        ValueError: A row is malformed.
    """
    found = set()
    for number, row in enumerate(csv.reader(open_list(path)), 1):
        if row:
            try:
                movie, second = row
                found.add((movie.strip(), int(second)))
            except ValueError as error:
                raise ValueError(f"{path}, row {number}: {','.join(row)} is not `movie,second`") from error
    return found
