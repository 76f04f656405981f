"""Read the text files of CrossTask's release: tasks and their steps, lists of videos, annotations."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.inside import check_listed
from unlabelled.data.lists import open_list, read_lines

_TASK_LINES = ("id", "title", "url", "number of steps", "steps")


@dataclass(frozen=True)
class Task:
    """A task and its steps, in order."""

    identifier: str
    title: str
    steps: tuple[str, ...]


def read_tasks(path: Path) -> list[Task]:
    """Read ``tasks_primary.txt`` (or ``tasks_related.txt``).

    A task has five lines: its number, its title, a URL, the number of steps, and the steps separated by
    commas. Tasks are separated by empty lines.

    Raises:
        ValueError: A task does not have five lines, or has another number of steps than it states.
    """
    blocks: list[list[tuple[int, str]]] = [[]]
    for number, line in enumerate(read_lines(path), 1):
        if line.strip():
            blocks[-1].append((number, line.strip()))
        elif blocks[-1]:
            blocks.append([])
    return [_task(path, block) for block in blocks if block]


def _task(path: Path, block: list[tuple[int, str]]) -> Task:
    lines = [line for _, line in block]
    where = f"{path}, line {block[0][0]}"
    if len(lines) != len(_TASK_LINES):
        raise ValueError(
            f"{where}: expected {', '.join(_TASK_LINES)} in five lines, found {len(lines)} lines"
        )
    steps = tuple(step.strip() for step in lines[4].split(","))
    if lines[3] != str(len(steps)):
        raise ValueError(f"{where}: task {lines[0]!r} states {lines[3]} steps, but lists {len(steps)}")
    return Task(lines[0], lines[1], steps)


def read_videos(path: Path) -> list[tuple[str, str]]:
    """Read (task, video) pairs from ``videos_val.csv`` or ``videos.csv``: ``task,video,url``, no header.

    Lists with a header that contains ``task`` and ``video_id`` are accepted too.

    Raises:
        ValueError: A row has no video, or one that leads out of the root.
    """
    rows = [(number, row) for number, row in enumerate(csv.reader(open_list(path)), 1) if row]
    columns = (0, 1)
    if rows and {"task", "video_id"} <= set(rows[0][1]):
        columns = (rows[0][1].index("task"), rows[0][1].index("video_id"))
        rows = rows[1:]
    videos = []
    for number, row in rows:
        if len(row) <= max(columns):
            raise ValueError(f"{path}, row {number}: {row} is not `task,video,url`")
        task, video = (check_listed(row[column].strip(), f"{path}, row {number}") for column in columns)
        videos.append((task, video))
    return videos


def read_annotation(path: Path, num_seconds: int, num_steps: int) -> NDArray[np.bool_]:
    """Read ``<task>_<video>.csv`` as ``(T, K)``, true where second t lies in step k.

    The rows are ``step,start,end``: steps are counted from 1, times are in seconds, and a step covers
    ``floor(start)`` to ``ceil(end)``. Seconds from T on are ignored.

    Raises:
        ValueError: A row is malformed, or the task has no such step.

    Source: DmZhukov/CrossTask; brian7685/Multimodal-Clustering-Network, cvpr19_dataloader.py;
    docs/methods/sspc.md#step-localisation.
    """
    truth = np.zeros((num_seconds, num_steps), dtype=bool)
    for number, row in enumerate(csv.reader(open_list(path)), 1):
        if not row:
            continue
        try:
            step, start, end = (
                _column(row[0], num_steps),
                math.floor(float(row[1])),
                math.ceil(float(row[2])),
            )
            truth[max(0, start) : max(0, end), step] = True
        except (ValueError, IndexError, OverflowError) as error:
            raise ValueError(
                f"{path}, line {number}: {row} is not `step,start,end` with a step from 1 to {num_steps}"
            ) from error
    return truth


def _column(step: str, num_steps: int) -> int:
    if not 1 <= int(step) <= num_steps:
        raise ValueError(f"no step {step}")
    return int(step) - 1
