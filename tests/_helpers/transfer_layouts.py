"""Tiny copies of the data sets of transfer protocols, in the layouts that torchvision reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

CLASSES = ("ant", "bee", "cat")
PARTS = {"train": 6, "val": 3, "test": 3}
"""Images of each class in the official parts."""


def _image(path: Path, label: int, number: int) -> None:
    """Write an image whose colour is that of its class, with noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(100 * label + number)
    pixels = rng.integers(0, 60, (20, 24, 3)) + 180 * np.eye(3, dtype=int)[label % 3]
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def _write(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def _names(parts: Sequence[str], classes: Sequence[str] = CLASSES) -> dict[str, list[tuple[int, str, int]]]:
    """Return label, class and number of the images of each part; numbers are not repeated in a class."""
    found, start = {}, 1
    for part in parts:
        numbers = range(start, start + PARTS[part])
        found[part] = [(label, name, number) for label, name in enumerate(classes) for number in numbers]
        start += PARTS[part]
    return found


def food101(root: Path) -> None:
    folder = root / "food-101"
    for part, rows in _names(["train", "test"]).items():
        lines = [f"{name}/{number}" for _, name, number in rows]
        _write(folder / "meta" / f"{part}.txt", lines)
        by_class = {name: [line for line in lines if line.startswith(name)] for name in CLASSES}
        (folder / "meta" / f"{part}.json").write_text(json.dumps(by_class))
        for label, name, number in rows:
            _image(folder / "images" / name / f"{number}.jpg", label, number)


SCENES = ("abbey", "attic/indoor", "attic/outdoor")


def sun397(root: Path) -> None:
    folder = root / "SUN397"
    _write(folder / "ClassName.txt", [f"/a/{name}" for name in SCENES])
    for part, rows in _names(["train", "test"], SCENES).items():
        list_name = {"train": "Training_01.txt", "test": "Testing_01.txt"}[part]
        _write(folder / list_name, [f"/a/{name}/sun_{number}.jpg" for _, name, number in rows])
        for label, name, number in rows:
            _image(folder / "a" / name / f"sun_{number}.jpg", label, number)


def stanford_cars(root: Path) -> None:
    folder = root / "stanford_cars"
    (folder / "devkit").mkdir(parents=True)
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": np.array(CLASSES, dtype=object)})
    lists = {"train": "devkit/cars_train_annos.mat", "test": "cars_test_annos_withlabels.mat"}
    for part, rows in _names(["train", "test"]).items():
        kinds = [("fname", object), ("class", np.uint8)]
        named = [(f"{label}{number}.jpg", label + 1) for label, _, number in rows]
        savemat(folder / lists[part], {"annotations": np.array(named, dtype=kinds)})
        for label, _, number in rows:
            _image(folder / f"cars_{part}" / f"{label}{number}.jpg", label, number)


VARIANTS = ("707-320", "Boeing 717", "MD 11")


def fgvc_aircraft(root: Path) -> None:
    folder = root / "fgvc-aircraft-2013b" / "data"
    _write(folder / "variants.txt", VARIANTS)
    for part, rows in _names(list(PARTS), VARIANTS).items():
        lines = [f"{label}00{number} {name}" for label, name, number in rows]
        _write(folder / f"images_variant_{part}.txt", lines)
        for label, _, number in rows:
            _image(folder / "images" / f"{label}00{number}.jpg", label, number)


def dtd(root: Path) -> None:
    folder = root / "dtd" / "dtd"
    for part, rows in _names(list(PARTS)).items():
        _write(
            folder / "labels" / f"{part}1.txt", [f"{name}/{name}_{number}.jpg" for _, name, number in rows]
        )
        for label, name, number in rows:
            _image(folder / "images" / name / f"{name}_{number}.jpg", label, number)


BREEDS = ("Bengal", "great_pyrenees", "Persian")


def oxford_pets(root: Path) -> None:
    folder = root / "oxford-iiit-pet"
    for part, rows in _names(["train", "test"], BREEDS).items():
        lines = [f"{name}_{number} {label + 1} 1 1" for label, name, number in rows]
        _write(folder / "annotations" / ("trainval.txt" if part == "train" else "test.txt"), lines)
        for label, name, number in rows:
            _image(folder / "images" / f"{name}_{number}.jpg", label, number)


def caltech101(root: Path) -> None:
    folder = root / "caltech101" / "101_ObjectCategories"
    for label, name in enumerate(("BACKGROUND_Google", *CLASSES)):
        for number in range(1, 10):
            _image(folder / name / f"image_{number:04d}.jpg", label, number)


def flowers102(root: Path) -> None:
    folder = root / "flowers-102"
    rows = [(label, number) for label in range(3) for number in range(1, 13)]
    labels, parts = [], {"trnid": [], "valid": [], "tstid": []}  # type: tuple[list[int], dict[str, list[int]]]
    for identity, (label, number) in enumerate(rows, 1):
        _image(folder / "jpg" / f"image_{identity:05d}.jpg", label, number)
        labels.append(label + 1)
        parts["trnid" if number <= 6 else "valid" if number <= 9 else "tstid"].append(identity)
    savemat(folder / "imagelabels.mat", {"labels": np.array(labels)})
    savemat(folder / "setid.mat", {key: np.array(ids) for key, ids in parts.items()})


WRITERS: dict[str, Callable[[Path], None]] = {
    "Food101": food101,
    "SUN397": sun397,
    "StanfordCars": stanford_cars,
    "FGVCAircraft": fgvc_aircraft,
    "DTD": dtd,
    "OxfordPets": oxford_pets,
    "Caltech101": caltech101,
    "Flowers102": flowers102,
}
