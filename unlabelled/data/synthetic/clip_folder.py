"""Folders of generated clips in VGG-Sound's layout: media files, and tables of labels, captions and boxes."""

from __future__ import annotations

import csv
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from tqdm import tqdm

from unlabelled.data.media.index import usable_cores

PARTS = ("video", "vggsound.csv", "classes.csv", "captions.csv", "boxes.csv")
"""Names below the folder of a data set."""
BOX_STEP = 0.25  # seconds
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

_Job = TypeVar("_Job")


@dataclass(frozen=True)
class ClipRow:
    """Entries of a written clip in the tables; boxes are ``(seconds, x0, y0, x1, y1)``."""

    youtube_id: str
    start: int
    label: str
    split: str
    caption: str
    boxes: list[tuple[float, float, float, float, float]]


def draw_name(rng: np.random.Generator, index: int) -> tuple[str, int]:
    """Draw an identifier of 11 characters like those of YouTube, and a start in whole seconds.

    Two of 16 identifiers begin with ``-`` or ``_``, as real ones may, which tests the handling of paths.
    """
    letters = "".join(_LETTERS[i] for i in rng.integers(0, len(_LETTERS), 11))
    first = {1: "-", 2: "_"}.get(index % 16, letters[0])
    return first + letters[1:], int(rng.integers(0, 301))


def write_clip_folder(
    folder: Path,
    jobs: Sequence[_Job],
    write_clip: Callable[[_Job], ClipRow],
    classes: Iterable[tuple[str, str, str]],
    num_workers: int | None,
    progress: bool,
) -> None:
    """Write the clips of all jobs and the tables of :data:`PARTS`; ``folder/video`` exists already.

    Args:
        folder: Folder of the tables.
        jobs: One per clip.
        write_clip: Writes the file of a job; called in several processes.
        classes: Label, parent and a caption's template of each class.
        num_workers: Processes that write clips; ``None``: one per available core, 8 at most.
        progress: Show a progress bar.
    """
    with _mapper(write_clip, len(jobs), num_workers) as rows:
        bar = tqdm(rows(jobs), total=len(jobs), desc="writing clips", unit="clip", disable=not progress)
        written = list(bar)
    # Sorted by identifier, as in the official table.
    _write_tables(folder, sorted(written, key=lambda row: row.youtube_id), classes)


@contextmanager
def _mapper(
    write_clip: Callable[[_Job], ClipRow], num_jobs: int, num_workers: int | None
) -> Iterator[Callable[[Sequence[_Job]], Iterable[ClipRow]]]:
    """Return a function that maps ``write_clip`` over jobs, in several processes if possible."""
    workers = min(min(usable_cores(), 8) if num_workers is None else num_workers, num_jobs)
    if workers <= 1:
        yield lambda jobs: map(write_clip, jobs)
        return
    # Fork on Linux: spawned processes would run the user's script a second time.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    # Not multiprocessing.Pool, which does not return if a worker was killed for its memory.
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as pool:
        yield lambda jobs: pool.map(write_clip, jobs, chunksize=4)


def _start_worker() -> None:
    """Let this worker use one thread, as there is one per core, and end with its parent process."""
    torch.set_num_threads(1)
    _end_with_parent()


def _end_with_parent() -> None:
    """End this worker as soon as its parent process has ended, even if that was killed."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _write_tables(folder: Path, rows: list[ClipRow], classes: Iterable[tuple[str, str, str]]) -> None:
    _write_csv(folder / "vggsound.csv", ((r.youtube_id, r.start, r.label, r.split) for r in rows))
    _write_csv(folder / "classes.csv", [("label", "parent", "caption_template"), *classes])
    _write_csv(folder / "captions.csv", [("id", "caption"), *((r.youtube_id, r.caption) for r in rows)])
    boxes = [(r.youtube_id, f"{t:g}", *(f"{v:.4f}" for v in box)) for r in rows for t, *box in r.boxes]
    _write_csv(folder / "boxes.csv", [("id", "time", "x0", "y0", "x1", "y1"), *boxes])


def _write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
