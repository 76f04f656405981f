"""Write single frames of a composed set: PNG files in class folders, from one seed."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import numpy.typing as npt

from unlabelled.data.synthetic.composed.base import ComposedSet
from unlabelled.data.synthetic.composed.video import Sprite, place, render
from unlabelled.data.synthetic.image_folder import SPLITS, write_image_folder

FORMAT = 1  # to be raised whenever the same arguments result in other images


def write_composed_images(
    root: str,
    source: ComposedSet,
    seed: int = 0,
    train_per_class: int = 200,
    val_per_class: int = 50,
    progress: bool = True,
) -> None:
    """Write images of a set: ``{train,val}/<class>/<number>.png``, one frame of a clip each.

    A finished data set of the same arguments is not changed; one of other arguments, or an incomplete one,
    is written again.

    Args:
        root: The folder; created if missing.
        source: The set.
        seed: The same seed gives the same images.
        train_per_class: Training images of each class.
        val_per_class: Held-out images of each class.
        progress: Show a progress bar.

    Raises:
        ValueError: An argument is out of its range.
        FileExistsError: ``root`` holds files that were not written by this function.
    """
    arguments = {
        "format": FORMAT,
        "set": source.name,
        "seed": seed,
        "train_per_class": train_per_class,
        "val_per_class": val_per_class,
        **source.arguments(),
    }
    write_image_folder(
        root,
        arguments,
        [entry.label for entry in source.classes],
        lambda split, label, number: compose_image(source, seed, split, label, number),
        f"write_composed_images of {source.name}",
        progress,
    )


def compose_image(
    source: ComposedSet, seed: int, split: str, label: int, number: int
) -> npt.NDArray[np.uint8]:
    """Return the image ``(height, width, 3)``, which depends on (set, seed, split, class, number) only."""
    key = [crc32(f"image of {source.name}".encode()), seed, SPLITS.index(split), label, number]
    rng = np.random.default_rng(key)
    size = source.style.sizes[int(rng.integers(len(source.style.sizes)))]
    image = source.image(rng, label, "train" if split == "train" else "test")
    placement = place(rng, source.style, size, rng.uniform(0, 4, 1))
    return render(rng, [Sprite(image, placement)], source.style, size)[0]
