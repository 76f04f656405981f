"""Any folder of own images."""

from __future__ import annotations

from typing import Any

import torch

from datamodules.base import PredictSplit
from datamodules.images import ImageDataModule
from datamodules.own_files import OwnFiles
from unlabelled.data.datasets.clip_names import ClipName
from unlabelled.data.datasets.images import ImageFiles
from unlabelled.data.lists import Labels, Shares
from unlabelled.data.media.files import IMAGE_SUFFIXES


class Images(ImageDataModule):
    """Any folder of images: at any depth, of any format that Pillow reads, without labels or with them.

    Classes and splits are found as :func:`unlabelled.data.lists.list_files` describes: columns of ``table``,
    folders, or no classes and shares of the images. Without labels nothing about labels is computed or
    logged.

    Args:
        root: The folder.
        table: CSV, TSV or JSON lines with a column ``path`` and any of ``label``, ``split``, ``caption``;
            relative to ``root``; ``null``: all images of the folder.
        labels: ``auto``, ``folders`` (that each image lies in) or ``none``.
        val_share: Share of the images that are held out; 0: none, and ``val`` is ``train``.
        test_share: Share of the images of ``test``; 0: those of ``val``.
        split_seed: Seed of the shares, apart from the run's.
        predict_split: Split of ``predict``; ``all``: each image of the folder once.
        **kwargs: See :class:`~datamodules.images.ImageDataModule`.

    Raises:
        FileNotFoundError: ``root`` or ``table`` does not exist.
        ValueError: A row of the table is wrong, there is no image, or too few to hold one out.
    """

    def __init__(
        self,
        root: str,
        table: str | None = None,
        labels: Labels = "auto",
        val_share: float = 0.2,
        test_share: float = 0.0,
        split_seed: int = 0,
        predict_split: PredictSplit = "all",
        **kwargs: Any,
    ) -> None:
        super().__init__(root, predict_split=predict_split, **kwargs)
        name, shares = type(self).__name__, Shares(val_share, test_share, split_seed)
        self.own = OwnFiles(name, self.root, IMAGE_SUFFIXES, table, labels, shares, self.allow_outside)

    @property
    def class_names(self) -> list[str]:
        """The classes in alphabetical order; empty: there are no labels."""
        return self.own.class_names

    def listed(self, split: str) -> list[str]:
        """Return the path of each listed image."""
        return [f"{self.root}/{each.path}" for each in self.own[split]]

    def compare(self, train: str) -> None:
        """Compare the splits, if an image is held out."""
        self.own.compare(self, train)

    def source(self, split: str) -> ImageFiles:
        """Return the images of a split that are on disk."""
        present = [each for each in self.own[split] if self.own.exists(each)]
        missing = [each.path for each in self.own[split] if not self.own.exists(each)]
        labels = torch.tensor([self.own.label(each) for each in present], dtype=torch.int64)
        return ImageFiles(split, self.root, [each.path for each in present], labels, missing)

    def clip_names(self, split: str) -> list[ClipName]:
        """Return the file, the class and the caption of each row of a split."""
        captions = {f"{self.root}/{each.path}": each.caption for each in self.own[split]}
        return [name._replace(caption=captions[name.path]) for name in super().clip_names(split)]
