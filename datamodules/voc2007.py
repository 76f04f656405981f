"""PASCAL VOC 2007 (Everingham et al. 2010): 20 classes, several per image."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch

from datamodules.images import ImageDataModule
from unlabelled.contracts.data import TransferScore
from unlabelled.data.datasets.images import ImageFiles
from unlabelled.data.inside import check_listed
from unlabelled.data.lists import read_lines

VOC_CLASSES = [
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
]  # fmt: skip


class VOC2007(ImageDataModule):
    """The classification task of VOC 2007: ``trainval`` to train on, ``test`` as ``val`` and ``test``.

    Labels are float ``(20,)``: 1 where the list ``ImageSets/Main/<class>_<trainval|test>.txt`` has 1, 0
    where it has -1, and -1 (ignore) where it has 0: only objects that are marked as difficult.

    Args:
        root: Folder with ``VOCdevkit/VOC2007`` or ``VOC2007``, or that folder.
        **kwargs: See :class:`~datamodules.images.ImageDataModule`.

    Raises:
        FileNotFoundError: The folder or a list is missing.
        ValueError: A line of a list is not an image and -1, 0 or 1, or the lists have different images.

    Source: Everingham et al. 2010; as the low-shot SVM uses it: docs/methods/sce.md#low-shot-svm.
    """

    published = True
    transfer_score: ClassVar[TransferScore] = "map_11_points"

    def __init__(self, root: str, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)

    @property
    def class_names(self) -> list[str]:
        """The 20 classes in alphabetical order."""
        return list(VOC_CLASSES)

    @cached_property
    def folder(self) -> Path:
        """The folder with ``ImageSets`` and ``JPEGImages``."""
        candidates = [Path(self.root, *parts) for parts in (("VOCdevkit", "VOC2007"), ("VOC2007",), ())]
        for candidate in candidates:
            if (candidate / "ImageSets" / "Main").is_dir():
                return candidate
        raise FileNotFoundError(
            f"VOC2007: there is no ImageSets/Main in {', '.join(map(str, candidates))}; set "
            "--data.init_args.root to the folder with VOCdevkit/VOC2007 (trainval and test unpacked together)"
        )

    def source(self, split: str) -> ImageFiles:
        """Return the images of ``trainval``, or of ``test``."""
        name = "trainval" if split == "train" else "test"
        columns = [self._column(f"{each}_{name}.txt") for each in VOC_CLASSES]
        listed = list(columns[0])
        for each, column in zip(VOC_CLASSES, columns, strict=True):
            if column.keys() != columns[0].keys():
                raise ValueError(
                    f"VOC2007: {each}_{name}.txt lists other images than {VOC_CLASSES[0]}_{name}.txt"
                )
        on_disk = set(self.scan(str(self.folder), "JPEGImages"))
        paths = {image: f"JPEGImages/{image}.jpg" for image in listed}
        found = [image for image in listed if paths[image] in on_disk]
        missing = [paths[image] for image in listed if paths[image] not in on_disk]
        rows = [[column[image] for column in columns] for image in found]
        labels = torch.tensor(rows, dtype=torch.float32).reshape(-1, len(VOC_CLASSES))
        return ImageFiles(split, str(self.folder), [paths[image] for image in found], labels, missing)

    def validation_rows(self) -> list[int]:
        """Return the rows of ``trainval`` in the official ``val``."""
        names, source = set(self._column(f"{VOC_CLASSES[0]}_val.txt")), self.source("train")
        return [row for row in range(len(source)) if Path(source.path(row)).stem in names]

    def _column(self, name: str) -> dict[str, float]:
        """Return one class's label by image."""
        path = self.folder / "ImageSets" / "Main" / name
        if not path.is_file():
            raise FileNotFoundError(f"VOC2007: there is no {path}; expected the official list, one per class")
        meaning = {"1": 1.0, "-1": 0.0, "0": -1.0}
        column = {}
        for number, line in enumerate(read_lines(path), 1):
            fields = line.split()
            if len(fields) != 2 or fields[1] not in meaning:
                raise ValueError(f"{path}, line {number}: {line!r} is not an image and -1, 0 or 1")
            column[check_listed(fields[0], f"{path}, line {number}")] = meaning[fields[1]]
        return column
