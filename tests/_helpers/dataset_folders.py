"""The embedded videos, and small images, in the layouts of other data sets."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules.kinetics import KINETICS_SOUND_CLASSES

Clips = list[tuple[Path, str, str]]


def clips(root: Path) -> Clips:
    """Return path, class and split of the tiny data set's files."""
    rows = csv.reader((root / "vggsound.csv").open(newline=""))
    return [
        (root / "video" / f"{name}_{int(start):06d}.mp4", label, split) for name, start, label, split in rows
    ]


def class_folders(clips: Clips, root: Path) -> Path:
    """Kinetics: class folders, under names that Kinetics-400 and Kinetics-Sound both have."""
    labels = sorted({label for _, label, _ in clips})
    for path, label, split in clips:
        name = KINETICS_SOUND_CLASSES[labels.index(label)].replace(" ", "_")
        _link(root / ("train" if split == "train" else "val") / name / path.name, path)
    for name in KINETICS_SOUND_CLASSES[len(labels) :]:  # the other classes: one clip each
        _link(root / "train" / name.replace(" ", "_") / "clip.mp4", clips[0][0])
    return root


def ave(clips: Clips, root: Path) -> Path:
    """AVE: three lists, with the files in a folder below."""
    lines: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for number, (path, label, split) in enumerate(clips):
        _link(root / "AVE" / f"clip{number}.mp4", path)
        for name in ("train",) if split == "train" else ("val", "test"):
            lines[name].append(f"{label}&clip{number}&good&0&10")
    for name, rows in lines.items():
        header = "Category&VideoID&Quality&StartTime&EndTime"
        (root / f"{name}Set.txt").write_text("\n".join([header, *rows]) + "\n")
    return root


def ucf101(clips: Clips, root: Path) -> Path:
    """UCF101: class folders and the lists of fold 1."""
    labels = sorted({label for _, label, _ in clips})
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for number, (path, label, split) in enumerate(clips):
        name = label.title().replace(" ", "")
        _link(root / name / f"v_{name}_g{number:02d}_c01.mp4", path)
        row = f"{name}/v_{name}_g{number:02d}_c01.avi"
        lists["train" if split == "train" else "test"].append(
            f"{row} {labels.index(label) + 1}" if split == "train" else row
        )
    for name, rows in lists.items():
        (root / f"{name}list01.txt").write_text("\n".join(rows) + "\n")
    return root


def hmdb51(clips: Clips, root: Path) -> Path:
    """HMDB51: class folders and one list of fold 1 per class."""
    rows: dict[str, list[str]] = {}
    for number, (path, label, split) in enumerate(clips):
        name = label.replace(" ", "_")
        _link(root / name / f"clip{number}.avi", path)
        rows.setdefault(name, []).append(f"clip{number}.avi {1 if split == 'train' else 2}")
    for name, lines in rows.items():
        (root / f"{name}_test_split1.txt").write_text("\n".join(lines) + "\n")
    return root


def something(clips: Clips, root: Path) -> Path:
    """Something-Something v2: videos by number and three JSON files."""
    labels = sorted({label for _, label, _ in clips})
    (root / "labels").mkdir(parents=True)
    lists: dict[str, list[dict[str, str]]] = {"train": [], "validation": []}
    for number, (path, label, split) in enumerate(clips):
        _link(root / "videos" / f"{number}.webm", path)
        lists["train" if split == "train" else "validation"].append({"id": str(number), "template": label})
    for name, rows in lists.items():
        (root / "labels" / f"{name}.json").write_text(json.dumps(rows))
    names = {label: str(number) for number, label in enumerate(labels)}
    (root / "labels" / "labels.json").write_text(json.dumps(names))
    return root


def image_folders(root: Path, classes: int = 3, per_class: int = 5) -> Path:
    """Class folders of random images."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for label in range(classes):
            for number in range(per_class):
                path = root / split / f"class{label}" / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 255, (20, 24, 3), dtype=np.uint8)).save(path)
    return root


def voc2007(root: Path, classes: list[str]) -> Path:
    """VOC2007: six images in either list; class c is in every second one."""
    rng = np.random.default_rng(0)
    sets = root / "VOCdevkit" / "VOC2007" / "ImageSets" / "Main"
    images = root / "VOCdevkit" / "VOC2007" / "JPEGImages"
    sets.mkdir(parents=True)
    images.mkdir(parents=True)
    for split, first in (("trainval", 0), ("test", 6)):
        names = [f"{number:06d}" for number in range(first, first + 6)]
        for name in names:
            Image.fromarray(rng.integers(0, 255, (20, 24, 3), dtype=np.uint8)).save(images / f"{name}.jpg")
        for label, class_name in enumerate(classes):
            rows = [f"{name} {1 if (int(name) + label) % 2 else -1}" for name in names]
            (sets / f"{class_name}_{split}.txt").write_text("\n".join(rows) + "\n")
    return root


def few_classes(monkeypatch: pytest.MonkeyPatch, *modules: type) -> None:
    """Let data modules with a fixed number of classes expect the embedded nine."""
    for module in modules:
        monkeypatch.setattr(module, "num_classes", 9)


def _link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.link(target, path)  # a link out of the root would be refused
