"""Write the embedded data set: media files and tables in VGG-Sound's layout, from one seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unlabelled.data.synthetic.clip_folder import PARTS, write_clip_folder
from unlabelled.data.synthetic.embedded.classes import LEAVES
from unlabelled.data.synthetic.embedded.clip import ClipJob, write_clip
from unlabelled.data.synthetic.generated_folder import GeneratedFolder

FORMAT = 2  # to be raised whenever the same arguments result in other clips


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
        classes = [(leaf.name, leaf.family, leaf.template) for leaf in LEAVES]
        write_clip_folder(folder, jobs, write_clip, classes, num_workers, progress)

    GeneratedFolder(root, arguments, PARTS, "write_embedded").fill(write)


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
