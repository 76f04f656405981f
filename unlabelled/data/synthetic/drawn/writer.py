"""Write the drawn images: PNG files in class folders, from one seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from unlabelled.data.synthetic.drawn.image import CLASSES, draw_image
from unlabelled.data.synthetic.generated_folder import GeneratedFolder

FORMAT = 1  # to be raised whenever the same arguments result in other images
SPLITS = ("train", "val")


def write_drawn(
    root: str,
    seed: int = 0,
    train_per_class: int = 200,
    val_per_class: int = 50,
    progress: bool = True,
) -> None:
    """Write small images, 48 x 48 pixels, of the classes in :data:`~.image.CLASSES`.

    Below ``root``: ``{train,val}/<class>/<number>.png``, and last ``COMPLETE.json``. A finished data set of
    the same arguments is not changed; one of other arguments, or an incomplete one, is written again.

    Args:
        root: The folder; created if missing.
        seed: The same seed gives the same images.
        train_per_class: Training images of each class.
        val_per_class: Held-out images of each class.
        progress: Show a progress bar.

    Raises:
        ValueError: An argument is out of its range.
        FileExistsError: ``root`` holds files that were not written by this function.
    """
    _check(seed, train_per_class, val_per_class)
    counts = dict(zip(SPLITS, (train_per_class, val_per_class), strict=True))
    arguments = {
        "format": FORMAT,
        "seed": seed,
        "train_per_class": train_per_class,
        "val_per_class": val_per_class,
    }

    def write(folder: Path) -> None:
        total = len(CLASSES) * sum(counts.values())
        with tqdm(total=total, desc="drawing images", unit="image", disable=not progress) as bar:
            for split, count in counts.items():
                for label in range(len(CLASSES)):
                    _write_class(folder / split, seed, split, label, count)
                    bar.update(count)

    GeneratedFolder(root, arguments, SPLITS, "write_drawn").fill(write)


def _check(seed: int, train: int, val: int) -> None:
    if seed < 0:
        raise ValueError(f"seed {seed} must be 0 or more")
    for name, count in (("train_per_class", train), ("val_per_class", val)):
        if count < 1:
            raise ValueError(f"{name} {count} must be 1 or more")


def _write_class(folder: Path, seed: int, split: str, label: int, count: int) -> None:
    """Write the images of one class; each depends on (seed, split, class, number) only."""
    class_folder = folder / CLASSES[label]
    class_folder.mkdir(parents=True)
    for number in range(count):
        rng = np.random.default_rng([seed, SPLITS.index(split), label, number])
        Image.fromarray(draw_image(rng, CLASSES[label])).save(class_folder / f"{number:05d}.png")
