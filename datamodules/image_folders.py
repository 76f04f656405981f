"""Images in class folders: ``ImageFolder``, ImageNet, and its subset of 100 classes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from datamodules.images import ImageDataModule
from unlabelled.data.datasets.images import ImageFiles
from unlabelled.data.media.disk import is_folder
from unlabelled.data.media.files import class_folders

IMAGENET100_LIST = Path(__file__).parent / "lists" / "imagenet100.txt"
"""The 100 classes of CMC (Tian et al. 2020, arXiv:1906.05849) and SCE (Denize et al. 2023, Table 22)."""


class ImageFolder(ImageDataModule):
    """Images as ``root/{train,val,test}/<class>/**/*`` in any format that Pillow reads.

    The classes are the folders of ``train``, in alphabetical order. ``val`` is also ``test`` if there is
    no such folder.

    Args:
        root: Folder of the data set.
        **kwargs: See :class:`~datamodules.images.ImageDataModule`.

    Raises:
        FileNotFoundError: The folder of a split, or class folders in it, are missing.
        ValueError: A split has a class that ``train`` does not have.
    """

    def __init__(self, root: str, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)

    @cached_property
    def class_names(self) -> list[str]:
        """The class folders of the training split, in alphabetical order."""
        return self._classes("train")

    def folder(self, split: str) -> Path:
        """Return the folder of a split's class folders."""
        own, val = Path(self.root, split), Path(self.root, "val")
        return val if split == "test" and not is_folder(str(own)) else own

    def listed(self, split: str) -> Sequence[str]:
        """Return the path of each image in the class folders, whose names are not checked."""
        folder = self.folder(split)
        images = [self.scan(self.root, f"{folder.name}/{name}") for name in class_folders(folder)]
        return [f"{self.root}/{path}" for path in chain.from_iterable(images)]

    def source(self, split: str) -> ImageFiles:
        """Return the images of a split's class folders."""
        present, folder = set(self._classes(split)), self.folder(split).name
        paths: list[str] = []
        labels: list[int] = []
        for label, name in enumerate(self.class_names):
            found = self.scan(self.root, f"{folder}/{name}") if name in present else []
            paths += found
            labels += [label] * len(found)
        return ImageFiles(split, self.root, paths, torch.tensor(labels, dtype=torch.int64))

    def _classes(self, split: str) -> list[str]:
        folder = self.folder(split)
        names = class_folders(folder)
        if not names:
            problem = "has no class folders" if is_folder(str(folder)) else "is not a folder"
            raise FileNotFoundError(
                f"{type(self).__name__}: {folder} {problem}; expected {folder}/<class>/ with images"
            )
        self._check_classes(split, names)
        return names

    def _check_classes(self, split: str, names: list[str]) -> None:
        unknown = [] if split == "train" else [name for name in names if name not in self.class_names]
        if unknown:
            raise ValueError(
                f"{type(self).__name__}: {len(unknown)} class folders in {self.folder(split)} are not in "
                f"{self.folder('train')}, for example {unknown[0]!r}; the splits need the same classes"
            )


class ImageNet(ImageFolder):
    """ImageNet-1k (ILSVRC 2012; Russakovsky et al. 2015): ``root/{train,val}/<wnid>/*.JPEG``, 1000 classes.

    The 50 000 validation images, which are published in one folder, must be moved to class folders. They are
    also ``test``, whose labels are not published. Labels follow the alphabetical order of the wnids, as
    usual.

    Args:
        root: Folder with ``train`` and ``val`` (``ILSVRC/Data/CLS-LOC`` of Kaggle's archive).
        **kwargs: See :class:`~datamodules.images.ImageDataModule`.

    Raises:
        FileNotFoundError: The folder of a split, or class folders in it, are missing.
        ValueError: There are more or less than 1000 classes.
    """

    published = True
    num_classes = 1000

    def listed(self, split: str) -> Sequence[str]:
        """Return no paths: the lists are published, and the splits are separate folders."""
        return ()

    def folder(self, split: str) -> Path:
        """Return the folder of a split's class folders; ``val`` for ``test``."""
        return Path(self.root, "train" if split == "train" else "val")

    def _check_classes(self, split: str, names: list[str]) -> None:
        if len(names) != self.num_classes:
            raise ValueError(
                f"{type(self).__name__}: {self.folder(split)} has {len(names)} class folders, not "
                f"{self.num_classes}; for other classes use datamodules.ImageFolder or ImageNet100"
            )
        super()._check_classes(split, names)


class ImageNet100(ImageNet):
    """The 100 classes of ImageNet-1k selected by CMC, in a folder of ImageNet or of these classes alone.

    Labels are 0 to 99, in the alphabetical order of the wnids.

    Args:
        root: Folder with ``train/<wnid>`` and ``val/<wnid>``.
        **kwargs: See :class:`~datamodules.images.ImageDataModule`.

    Raises:
        FileNotFoundError: A split's folder, or one of the 100 class folders in it, is missing.

    Source: Tian et al. 2020 (CMC, arXiv:1906.05849); SCE Table 22.
    """

    num_classes = 100

    @cached_property
    def class_names(self) -> list[str]:
        """The wnids of the list."""
        return IMAGENET100_LIST.read_text("utf-8").split()

    def _check_classes(self, split: str, names: list[str]) -> None:
        present = set(names)
        if missing := [name for name in self.class_names if name not in present]:
            raise FileNotFoundError(
                f"{type(self).__name__}: {len(missing)} of the 100 class folders are not in "
                f"{self.folder(split)}, for example {missing[0]}; expected <wnid>/ with images"
            )
