"""Image data sets of transfer protocols whose lists are MATLAB files: cars and flowers."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torchvision import datasets

from datamodules.listed_images import ListedImages, Row


class StanfordCars(ListedImages):
    """Stanford Cars (Krause et al. 2013): 8144 + 8041 images of 196 models.

    See :class:`~datamodules.listed_images.ListedImages`; the folder is ``root/stanford_cars``. torchvision
    cannot download it any more.
    """

    images = "stanford_cars"

    @cached_property
    def class_names(self) -> list[str]:
        """The models in their official order."""
        return [str(name) for name in np.atleast_1d(self._read("devkit/cars_meta.mat")["class_names"])]

    def rows(self, part: str) -> list[Row]:
        """Return the images of ``cars_<part>_annos``; there is no validation split."""
        names = {"train": "devkit/cars_train_annos.mat", "test": "cars_test_annos_withlabels.mat"}
        if part not in names:
            return []
        annotations = np.atleast_1d(self._read(names[part])["annotations"])
        return [(f"cars_{part}/{each['fname']}", int(each["class"]) - 1) for each in annotations]

    def fetch(self) -> None:
        """Raise ValueError, as torchvision does."""
        datasets.StanfordCars(self.root, download=True)

    def _read(self, name: str) -> dict[str, Any]:
        return _load(self.file(f"stanford_cars/{name}"))


class Flowers102(ListedImages):
    """Oxford 102 Flowers (Nilsback and Zisserman 2008): 2040 (1020 of validation) + 6149 images.

    See :class:`~datamodules.listed_images.ListedImages`; the folder is ``root/flowers-102``.
    """

    images = "flowers-102/jpg"
    transfer_score = "accuracy_per_class"

    @property
    def class_names(self) -> list[str]:
        """The 102 species, as torchvision names them."""
        return list(datasets.Flowers102.classes)

    def rows(self, part: str) -> list[Row]:
        """Return the images of ``trnid``, ``valid`` or ``tstid`` in ``setid.mat``."""
        key = {"train": "trnid", "val": "valid", "test": "tstid"}[part]
        labels = _load(self.file("flowers-102/imagelabels.mat"))["labels"]
        numbers = np.atleast_1d(_load(self.file("flowers-102/setid.mat"))[key])
        return [(f"image_{number:05d}.jpg", int(labels[number - 1]) - 1) for number in numbers]

    def fetch(self) -> None:
        """Download by torchvision."""
        datasets.Flowers102(self.root, download=True)


def _load(path: Path) -> dict[str, Any]:
    """Return the variables of a MATLAB file."""
    from scipy.io import loadmat  # scipy is imported by runs that need it

    content: dict[str, Any] = loadmat(path, squeeze_me=True)
    return content
