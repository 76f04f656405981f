"""The previews of many samples, made in parallel within a bound on their total size."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
from tqdm import tqdm

from unlabelled.hierarchy.tree import Floats, Indices
from unlabelled.page.preview import Preview, make_preview

NO_SPACE = "beyond the size limit"


def preview_order(leaf_of: Indices, confidences: Floats) -> list[int]:
    """Return the samples, the most confident ones of all leaves first, then the second ones, ...

    >>> preview_order(np.array([0, 0, 1]), np.array([0.5, 0.9, 0.1]))
    [1, 2, 0]
    """
    order = np.lexsort((-confidences, leaf_of))
    counts = np.bincount(leaf_of)
    ranks = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return [int(row) for row in order[np.lexsort((leaf_of[order], ranks))]]


def make_previews(
    clips: Sequence[tuple[str, float, float]],
    order: Sequence[int],
    folder: Path,
    max_bytes: float,
    workers: int | None = None,
    make: Callable[[str, float, float, Path], Preview] = make_preview,
) -> list[Preview]:
    """Return the preview of each sample; those of the last samples of ``order`` may lack for want of space.

    The threads decode and encode at the same time, as FFmpeg does not hold the interpreter's lock.

    Args:
        clips: Path, start and end of the samples.
        order: The order in which previews are made.
        folder: Folder of the files, which is created.
        max_bytes: Bound of their total size; no preview is begun beyond it.
        workers: Number of threads; None: one for each core.
        make: Makes the preview of one sample.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = workers or os.cpu_count() or 1
    made: dict[int, Preview] = {}
    pending: dict[Future[Preview], int] = {}
    total = 0
    with ThreadPoolExecutor(count) as pool, tqdm(total=len(order), desc="previews", disable=None) as bar:
        for row in order:
            if total > max_bytes:
                break
            pending[pool.submit(make, *clips[row], folder)] = row
            if len(pending) > 2 * count:
                total += _collect(pending, made, bar, FIRST_COMPLETED)
        _collect(pending, made, bar, "ALL_COMPLETED")
    return [made.get(row, Preview(reason=NO_SPACE)) for row in range(len(clips))]


def _collect(
    pending: dict[Future[Preview], int], made: dict[int, Preview], bar: tqdm[object], until: str
) -> int:
    done = wait(pending, return_when=until).done
    for future in done:
        made[pending.pop(future)] = future.result()
    bar.update(len(done))
    return sum(future.result().size for future in done)
