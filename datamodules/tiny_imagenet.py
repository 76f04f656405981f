"""Tiny ImageNet (Stanford CS231n): 200 classes, 100 000 + 10 000 images of 64x64."""

from __future__ import annotations

from pathlib import Path

import torch

from datamodules.image_folders import ImageNet
from unlabelled.data.datasets.images import ImageFiles
from unlabelled.data.inside import check_listed
from unlabelled.data.lists import read_lines


class TinyImageNet(ImageNet):
    """Tiny ImageNet in its published layout: ``train/<wnid>/images/*.JPEG`` and ``val/val_annotations.txt``.

    The validation images may also have been moved to class folders ``val/<wnid>/``. They are also ``test``,
    whose labels are not published. Labels follow the alphabetical order of the wnids.

    Args:
        root: Folder with ``train`` and ``val`` (``tiny-imagenet-200`` of the archive).
        **kwargs: See :class:`~datamodules.images.ImageDataModule`.

    Raises:
        FileNotFoundError: The folder of a split is missing.
        ValueError: There are more or less than 200 classes, or a line of the annotations names none of them.
    """

    num_classes = 200

    def source(self, split: str) -> ImageFiles:
        """Return the images in class folders, or those of the annotations."""
        annotations = self.folder(split) / "val_annotations.txt"
        if split == "train" or not annotations.is_file():
            return super().source(split)
        on_disk = {Path(path).name: path for path in self.scan(self.root, "val")}
        rows = self._rows(annotations)
        labels = torch.tensor([label for name, label in rows if name in on_disk], dtype=torch.int64)
        paths = [on_disk[name] for name, _ in rows if name in on_disk]
        missing = [f"val/images/{name}" for name, _ in rows if name not in on_disk]
        return ImageFiles(split, self.root, paths, labels, missing)

    def _rows(self, annotations: Path) -> list[tuple[str, int]]:
        number = {name: label for label, name in enumerate(self.class_names)}
        rows = []
        for line, text in enumerate(read_lines(annotations), 1):
            fields = text.split("\t")
            if len(fields) < 2 or fields[1] not in number:
                raise ValueError(f"{annotations}, line {line}: {text!r} is not `file<tab>wnid<tab>...`")
            rows.append((check_listed(fields[0], f"{annotations}, line {line}"), number[fields[1]]))
        return rows
