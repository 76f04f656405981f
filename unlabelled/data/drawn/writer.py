"""Write the drawn images: real PNG files in class folders, from one seed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from .picture import CLASSES, draw_picture

FORMAT = 1  # to be raised whenever the same arguments would give other images
COMPLETE = "COMPLETE.json"
SPLITS = ("train", "val")
_OWNED = ".drawn"  # marks a folder as ours to overwrite
_PARTIAL = ".partial-"


def write_drawn(
    root: str,
    seed: int = 0,
    train_per_class: int = 200,
    val_per_class: int = 50,
    progress: bool = True,
) -> None:
    """Write small images, 48 x 48 pixels, of the classes in :data:`~.picture.CLASSES`.

    Below ``root``: ``{train,val}/<class>/<number>.png``, and last ``COMPLETE.json``. A finished data set of
    equal arguments is left as it is; one of other arguments, or one that was interrupted, is written anew.

    Args:
        root: The folder; created where missing.
        seed: The same seed gives the same images.
        train_per_class: Training images of each class.
        val_per_class: Held-out images of each class.
        progress: Show a progress bar.

    Raises:
        ValueError: An argument is out of its range.
        FileExistsError: ``root`` holds files that were not written by this function.
    """
    _check(seed, train_per_class, val_per_class)
    folder, counts = Path(root), dict(zip(SPLITS, (train_per_class, val_per_class), strict=True))
    arguments = {
        "format": FORMAT,
        "seed": seed,
        "train_per_class": train_per_class,
        "val_per_class": val_per_class,
    }
    if _finished(folder) == arguments:
        return
    _claim(folder)
    # All is written into a folder of its own first, so that a killed call leaves no half-filled split.
    partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=folder))
    total = len(CLASSES) * sum(counts.values())
    with tqdm(total=total, desc="drawing images", unit="image", disable=not progress) as bar:
        for split, count in counts.items():
            for label in range(len(CLASSES)):
                _write_class(partial / split, seed, split, label, count)
                bar.update(count)
    for split in SPLITS:
        os.replace(partial / split, folder / split)
    partial.rmdir()
    (folder / f"{COMPLETE}.tmp").write_text(json.dumps(arguments, indent=2) + "\n", encoding="utf-8")
    os.replace(folder / f"{COMPLETE}.tmp", folder / COMPLETE)


def _check(seed: int, train: int, val: int) -> None:
    if seed < 0:
        raise ValueError(f"seed {seed} must be 0 or more")
    for name, count in (("train_per_class", train), ("val_per_class", val)):
        if count < 1:
            raise ValueError(f"{name} {count} must be 1 or more")


def _finished(folder: Path) -> object:
    """The arguments a finished data set was written with; None where it is not finished."""
    try:
        return json.loads((folder / COMPLETE).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _claim(folder: Path) -> None:
    """Make the folder ours, and empty of what earlier calls wrote; never touch anybody else's files."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / _OWNED).exists():
        found = sorted(p.name for p in folder.iterdir())
        if found:
            raise FileExistsError(
                f"{folder} holds {found[0]!r} and was not written by write_drawn, which would overwrite it; "
                "give a new or an empty folder as root"
            )
        (folder / _OWNED).touch()
    (folder / COMPLETE).unlink(missing_ok=True)  # first, so that no half-removed data set looks finished
    for stale in [*(folder / split for split in SPLITS), *folder.glob(f"{_PARTIAL}*")]:
        if stale.exists():
            shutil.rmtree(stale)


def _write_class(folder: Path, seed: int, split: str, label: int, count: int) -> None:
    """Write the images of one class; each depends on (seed, split, class, number) only."""
    place = folder / CLASSES[label]
    place.mkdir(parents=True)
    for number in range(count):
        rng = np.random.default_rng([seed, SPLITS.index(split), label, number])
        Image.fromarray(draw_picture(rng, CLASSES[label])).save(place / f"{number:05d}.png")
