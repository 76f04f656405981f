"""Write a generated set of images in class folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from unlabelled.data.synthetic.generated_folder import GeneratedFolder

SPLITS = ("train", "val")


def write_image_folder(
    root: str,
    arguments: Mapping[str, Any],
    classes: Sequence[str],
    draw: Callable[[str, int, int], npt.NDArray[np.uint8]],
    writer: str,
    progress: bool,
) -> None:
    """Write ``{train,val}/<class>/<number>.png``, unless the folder is finished and of the same arguments.

    Args:
        root: The folder; created if missing.
        arguments: What determines the images: ``seed``, ``train_per_class``, ``val_per_class`` and others.
        classes: Names of the classes.
        draw: Called with split, class and number; returns pixels ``(height, width, 3)``.
        writer: Name of the function that writes, for errors.
        progress: Show a progress bar.

    Raises:
        ValueError: The seed is negative, or a split has no image.
        FileExistsError: ``root`` holds files that were not written by this function.
    """
    if arguments["seed"] < 0:
        raise ValueError(f"seed {arguments['seed']} must be 0 or more")
    counts = {split: int(arguments[f"{split}_per_class"]) for split in SPLITS}
    for split, count in counts.items():
        if count < 1:
            raise ValueError(f"{split}_per_class {count} must be 1 or more")

    def write(folder: Path) -> None:
        total = len(classes) * sum(counts.values())
        with tqdm(total=total, desc="drawing images", unit="image", disable=not progress) as bar:
            for split, count in counts.items():
                for label, name in enumerate(classes):
                    (folder / split / name).mkdir(parents=True)
                    for number in range(count):
                        path = folder / split / name / f"{number:05d}.png"
                        Image.fromarray(draw(split, label, number)).save(path)
                    bar.update(count)

    GeneratedFolder(root, dict(arguments), SPLITS, writer).fill(write)
