"""STL-10 (Coates et al. 2011): 100 000 unlabelled and 5000 + 8000 labelled images of 96x96."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import datasets

from datamodules.images import ImageDataModule
from unlabelled.data.datasets.images import ImageArrays
from unlabelled.data.lists import read_text

_FOLDER = "stl10_binary"
_SIDE = 96


class STL10(ImageDataModule):
    """STL-10's binary files in ``root/stl10_binary``; ``test`` is also ``val``.

    The files are memory-mapped, as the unlabelled images have 2.8 GB. Unlabelled images have the label -1.
    The bank is always the 5000 labelled training images.

    Args:
        root: Folder of the data set.
        train_split: Training images: the 100 000 ``unlabeled`` images, the 5000 labelled ones of ``train``
            (for a classifier), or both.
        download: Download it into ``root`` if it is absent.
        **kwargs: See :class:`~datamodules.images.ImageDataModule`.

    Raises:
        FileNotFoundError: A file is not there.
        ValueError: A file does not hold whole images, or not as many labels.
    """

    bank_split = "bank"
    published = True

    def __init__(
        self,
        root: str,
        train_split: Literal["unlabeled", "train", "train+unlabeled"] = "unlabeled",
        download: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)
        self.train_split, self.download = train_split, download

    def prepare_data(self) -> None:
        """Download the files if ``download`` is set, in one process per node."""
        if self.download:
            datasets.STL10(self.root, split="test", download=True)
        super().prepare_data()

    @cached_property
    def class_names(self) -> list[str]:
        """The class names in the file of the data set."""
        return read_text(self._file("class_names.txt")).split()

    def source(self, split: str) -> ImageArrays:
        """Return the images of ``train_split``; the labelled training images (bank); or the test images."""
        names = {"train": self.train_split, "bank": "train"}.get(split, "test")
        parts = [self._part(name) for name in names.split("+")]
        labels = torch.cat([labels for _, labels in parts])
        return ImageArrays(split, f"STL10 {names}", [images for images, _ in parts], labels)

    def _part(self, name: str) -> tuple[NDArray[np.uint8], Tensor]:
        """Map the images ``(n, 3, 96, 96)`` and read the labels ``(n,)`` of one binary file."""
        path = self._file(f"{name}_X.bin")
        size, one = path.stat().st_size, 3 * _SIDE * _SIDE
        if size == 0 or size % one:
            raise ValueError(f"STL10: {path} has {size} bytes, not a multiple of {one}; fetch it again")
        # Pixels are stored column by column.
        images = np.memmap(path, np.uint8, "r").reshape(-1, 3, _SIDE, _SIDE).transpose(0, 1, 3, 2)
        if name == "unlabeled":
            return images, torch.full((len(images),), -1)
        labels = np.fromfile(self._file(f"{name}_y.bin"), dtype=np.uint8)
        if len(labels) != len(images):
            raise ValueError(f"STL10: {path} has {len(images)} images, {name}_y.bin {len(labels)} labels")
        return images, torch.from_numpy(labels.astype(np.int64) - 1)

    def _file(self, name: str) -> Path:
        path = Path(self.root, _FOLDER, name)
        if not path.is_file():
            raise FileNotFoundError(
                f"STL10: there is no {path}; expected the binary version in {_FOLDER}/; set "
                "--data.init_args.root to its folder, or --data.init_args.download true"
            )
        return path
