"""Write the drawn images: PNG files in class folders, from one seed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unlabelled.data.synthetic.drawn.image import CLASSES, draw_image
from unlabelled.data.synthetic.image_folder import SPLITS, write_image_folder

FORMAT = 1  # to be raised whenever the same arguments result in other images


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
    arguments = {
        "format": FORMAT,
        "seed": seed,
        "train_per_class": train_per_class,
        "val_per_class": val_per_class,
    }

    def draw(split: str, label: int, number: int) -> npt.NDArray[np.uint8]:
        """Draw an image, which depends on (seed, split, class, number) only."""
        return draw_image(np.random.default_rng([seed, SPLITS.index(split), label, number]), CLASSES[label])

    write_image_folder(root, arguments, CLASSES, draw, "write_drawn", progress)
