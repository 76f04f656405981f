"""Write a composed set: media files and tables in VGG-Sound's layout, from one seed."""

from __future__ import annotations

from pathlib import Path

from unlabelled.data.synthetic.clip_folder import PARTS, write_clip_folder
from unlabelled.data.synthetic.composed.base import ComposedSet
from unlabelled.data.synthetic.composed.clip import ComposedJob, write_composed_clip
from unlabelled.data.synthetic.generated_folder import GeneratedFolder

FORMAT = 1  # to be raised whenever the same arguments result in other clips


def write_composed(
    root: str,
    source: ComposedSet,
    seed: int = 0,
    train_per_class: int = 40,
    test_per_class: int = 20,
    num_workers: int | None = None,
    progress: bool = True,
) -> None:
    """Write the clips of a set, in the layout of :func:`~unlabelled.data.synthetic.embedded.write_embedded`.

    A finished data set of the same arguments is not changed; one of other arguments, or an incomplete one,
    is written again.

    Args:
        root: The folder; created if missing.
        source: The set.
        seed: The same seed gives the same clips.
        train_per_class: Training clips of each class.
        test_per_class: Test clips of each class.
        num_workers: Processes that write clips; ``None``: one per available core, 8 at most;
            0 or 1: the calling process only.
        progress: Show a progress bar.

    Raises:
        ValueError: An argument is out of its range.
        FileExistsError: ``root`` holds files that were not written by this function.
    """
    if seed < 0:
        raise ValueError(f"seed {seed} must be 0 or more")
    counts = {"train": train_per_class, "test": test_per_class}
    if min(counts.values()) < 0 or sum(counts.values()) == 0:
        raise ValueError(f"train_per_class and test_per_class, {counts}, must be >= 0, and not both 0")
    arguments = {
        "format": FORMAT,
        "set": source.name,
        "seed": seed,
        "train_per_class": train_per_class,
        "test_per_class": test_per_class,
        **source.arguments(),
    }

    def write(folder: Path) -> None:
        (folder / "video").mkdir()
        jobs = [
            ComposedJob(str(folder / "video"), source, seed, split, label, number)
            for split, count in counts.items()
            for number in range(count)
            for label in range(len(source.classes))
        ]
        classes = [(each.label, each.parent, f"{each.image} and {each.audio}") for each in source.classes]
        write_clip_folder(folder, jobs, write_composed_clip, classes, num_workers, progress)

    GeneratedFolder(root, arguments, PARTS, f"write_{source.name}").fill(write)
