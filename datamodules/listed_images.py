"""Base class of image data sets with official lists, in the layout of torchvision."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch

from datamodules.images import ImageDataModule
from unlabelled.contracts.data import TransferScore
from unlabelled.data.datasets.images import ImageFiles
from unlabelled.data.lists import read_lines
from unlabelled.data.media.disk import is_file

Row = tuple[str, int]
"""File of an image, relative to the folder of the images, and its class."""


class ListedImages(ImageDataModule):
    """Images of official lists in torchvision's layout: ``train`` to learn from, ``test`` also as ``val``.

    Where the authors have a validation split, its images are the last ones of ``train``, and their rows are
    :meth:`validation_rows`.

    Args:
        root: The folder that torchvision takes, which may hold several data sets.
        download: Download the data set into ``root`` by torchvision if it is absent.
        **kwargs: See :class:`~datamodules.images.ImageDataModule`.

    Raises:
        FileNotFoundError: A list is missing.
        ValueError: A line of a list cannot be read.

    Attributes:
        images: Folder of the images below ``root``.
        transfer_score: The score that the authors of transfer protocols report.
    """

    published = True
    images: ClassVar[str]
    transfer_score: ClassVar[TransferScore] = "accuracy"

    def __init__(self, root: str, download: bool = False, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)
        self.download = download

    @abstractmethod
    def rows(self, part: str) -> list[Row]:
        """Return the images of the official ``train``, ``val`` or ``test``; none where there is no such."""

    @abstractmethod
    def fetch(self) -> None:
        """Download the data set by torchvision, unless it is there."""

    def prepare_data(self) -> None:
        """Download the files if ``download`` is set, in one process per node."""
        if self.download:
            self.fetch()
        super().prepare_data()

    def source(self, split: str) -> ImageFiles:
        """Return the images to learn from, those of validation last; or the test images."""
        listed = self._listed("train") + self._listed("val") if split == "train" else self._listed("test")
        rows = [(f"{self.images}/{path}", label) for path, label in listed]
        found = [(path, label) for path, label in rows if path in self._on_disk]
        missing = [path for path, _ in rows if path not in self._on_disk]
        labels = torch.tensor([label for _, label in found], dtype=torch.int64)
        return ImageFiles(split, self.root, [path for path, _ in found], labels, missing)

    def validation_rows(self) -> list[int] | None:
        """Return the rows of ``train`` that the authors validate on; None: they name none."""
        learned, validated = (
            sum(f"{self.images}/{path}" in self._on_disk for path, _ in self._listed(part))
            for part in ("train", "val")
        )
        return list(range(learned, learned + validated)) or None

    def lines(self, path: str) -> list[str]:
        """Return the lines of a list below ``root``.

        Raises:
            FileNotFoundError: There is no such file.
        """
        return read_lines(self.file(path))

    def file(self, path: str) -> Path:
        """Return the path of a file below ``root``.

        Raises:
            FileNotFoundError: There is no such file.
        """
        if not is_file(f"{self.root}/{path}"):
            raise FileNotFoundError(
                f"{type(self).__name__}: there is no {Path(self.root, path)}; expected the layout of "
                "torchvision; set --data.init_args.root to its folder, or --data.init_args.download true"
            )
        return Path(self.root, path)

    def parsed(self, path: str, row: Callable[[str], Row]) -> list[Row]:
        """Return what ``row`` makes of each line of a list.

        Raises:
            ValueError: It cannot read one.
        """
        rows = []
        for number, line in enumerate(self.lines(path), 1):
            try:
                rows.append(row(line))
            except (ValueError, KeyError, IndexError) as error:
                raise ValueError(
                    f"{self.file(path)}, line {number}: {line!r} is no image of a class"
                ) from error
        return rows

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The label of each class name."""
        return {name: label for label, name in enumerate(self.class_names)}

    @cached_property
    def _parts(self) -> dict[str, list[Row]]:
        return {}

    def _listed(self, part: str) -> list[Row]:
        if part not in self._parts:
            self._parts[part] = self.rows(part)
        return self._parts[part]

    @cached_property
    def _on_disk(self) -> set[str]:
        return set(self.scan(self.root, self.images))
