"""Write the embedded data set: media files and tables in VGG-Sound's layout, from one seed."""

from __future__ import annotations

import csv
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from unlabelled.data.media.index import usable_cores
from unlabelled.data.synthetic.embedded.classes import LEAVES
from unlabelled.data.synthetic.embedded.clip import ClipJob, ClipRow, write_clip
from unlabelled.data.synthetic.generated_folder import GeneratedFolder

FORMAT = 2  # to be raised whenever the same arguments result in other clips
_Mapper = Callable[[list[ClipJob]], Iterable[ClipRow]]
_TABLES = ("vggsound.csv", "classes.csv", "captions.csv", "boxes.csv")


def write_embedded(
    root: str,
    seed: int = 0,
    train_per_class: int = 50,
    test_per_class: int = 25,
    duration: float = 4.0,
    size: tuple[int, int] = (112, 84),
    num_workers: int | None = None,
    progress: bool = True,
) -> None:
    """Write small videos with audio, of nine classes in three families, in VGG-Sound's layout.

    Below ``root``: ``vggsound.csv`` and ``video/<id>_<start>.mp4`` as in VGG-Sound; ``classes.csv`` with
    each label's family, ``captions.csv``, ``boxes.csv`` (the box of the sounding object every 0.25 s,
    as fractions of the frame); and last ``COMPLETE.json``. A finished data set of the same arguments is not
    changed; one of other arguments, or an incomplete one, is written again.

    Args:
        root: The folder; created if missing.
        seed: The same seed gives the same clips.
        train_per_class: Training clips of each class.
        test_per_class: Test clips of each class.
        duration: Length of a clip in seconds, 0.5 or more.
        size: Width and height in pixels, even numbers, 32 or more.
        num_workers: Processes that write clips; ``None``: one per available core, 8 at most;
            0 or 1: the calling process only.
        progress: Show a progress bar.

    Raises:
        ValueError: An argument is out of its range.
        FileExistsError: ``root`` holds files that were not written by this function.
    """
    _check(seed, train_per_class, test_per_class, duration, size, num_workers)
    arguments = {
        "format": FORMAT,
        "seed": seed,
        "train_per_class": train_per_class,
        "test_per_class": test_per_class,
        "duration": float(duration),
        "size": list(size),
    }
    counts = {"train": train_per_class, "test": test_per_class}

    def write(folder: Path) -> None:
        (folder / "video").mkdir()
        jobs = [
            ClipJob(str(folder / "video"), seed, split, leaf, number, float(duration), size)
            for split, count in counts.items()
            for number in range(count)
            for leaf in range(len(LEAVES))
        ]
        _write_tables(folder, _write_clips(jobs, num_workers, progress))

    GeneratedFolder(root, arguments, ("video", *_TABLES), "write_embedded").fill(write)


def _check(
    seed: int, train: int, test: int, duration: float, size: Sequence[int], num_workers: int | None
) -> None:
    if seed < 0:
        raise ValueError(f"seed {seed} must be 0 or more")
    if train < 0 or test < 0 or train + test == 0:
        raise ValueError(f"train_per_class {train} and test_per_class {test} must be >= 0, and not both 0")
    if not 0.5 <= duration < float("inf"):
        raise ValueError(f"duration {duration} must be at least 0.5 seconds")
    if len(size) != 2 or any(side < 32 or side % 2 for side in size):
        raise ValueError(f"size {size} must be (width, height), even numbers of 32 or more (H.264, yuv420p)")
    if num_workers is not None and num_workers < 0:
        raise ValueError(f"num_workers {num_workers} must be 0 or more, or None")


def _write_clips(jobs: list[ClipJob], num_workers: int | None, progress: bool) -> list[ClipRow]:
    """Write all clips, and return their entries sorted by identifier, as in the official table."""
    with _mapper(len(jobs), num_workers) as rows:
        bar = tqdm(rows(jobs), total=len(jobs), desc="writing clips", unit="clip", disable=not progress)
        written = list(bar)
    return sorted(written, key=lambda row: row.youtube_id)


@contextmanager
def _mapper(num_jobs: int, num_workers: int | None) -> Iterator[_Mapper]:
    """Return a function that maps :func:`write_clip` over jobs, in several processes if possible."""
    workers = min(min(usable_cores(), 8) if num_workers is None else num_workers, num_jobs)
    if workers <= 1:
        yield lambda jobs: map(write_clip, jobs)
        return
    # Fork on Linux: spawned processes would run the user's script a second time.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    # Not multiprocessing.Pool, which does not return if a worker was killed for its memory.
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        yield lambda jobs: pool.map(write_clip, jobs, chunksize=4)


def _end_with_parent() -> None:
    """End this worker as soon as its parent process has ended, even if that was killed."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _write_tables(folder: Path, rows: list[ClipRow]) -> None:
    _write_csv(folder / "vggsound.csv", ((r.youtube_id, r.start, r.label, r.split) for r in rows))
    classes = [(leaf.name, leaf.family, leaf.template) for leaf in LEAVES]
    _write_csv(folder / "classes.csv", [("label", "parent", "caption_template"), *classes])
    _write_csv(folder / "captions.csv", [("id", "caption"), *((r.youtube_id, r.caption) for r in rows)])
    boxes = [(r.youtube_id, f"{t:g}", *(f"{v:.4f}" for v in box)) for r in rows for t, *box in r.boxes]
    _write_csv(folder / "boxes.csv", [("id", "time", "x0", "y0", "x1", "y1"), *boxes])


def _write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
