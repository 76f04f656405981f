"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 50 000 + 10 000 images of 32x32."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torchvision import datasets

from datamodules.images import ImageDataModule
from unlabelled.data.datasets.images import ImageArrays
from unlabelled.data.features.safe_pickle import load_pickle


class CIFAR10(ImageDataModule):
    """CIFAR-10, in torchvision's layout, ``root/cifar-10-batches-py``; ``test`` is also ``val``.

    Args:
        root: Folder of the data set.
        download: Download it into ``root`` if it is absent.
        **kwargs: See :class:`~datamodules.images.ImageDataModule`.

    Raises:
        FileNotFoundError: A file is missing or damaged.
    """

    published = True
    files: ClassVar[Any] = datasets.CIFAR10

    def __init__(self, root: str, download: bool = False, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)
        self.download = download

    def prepare_data(self) -> None:
        """Download the files if ``download`` is set, in one process per node."""
        if self.download:
            self.files(self.root, download=True)
        super().prepare_data()

    @cached_property
    def class_names(self) -> list[str]:
        """The class names in the file of the data set, which no code is run from."""
        path = Path(self.root, self.files.base_folder, self.files.meta["filename"])
        if not path.is_file():
            raise self._missing(f"there is no {path}")
        with path.open("rb") as file:
            return list(load_pickle(file, str(path))[self.files.meta["key"]])

    def source(self, split: str) -> ImageArrays:
        """Return the 50 000 training images, or the 10 000 test images for ``val`` and ``test``."""
        name = "train" if split == "train" else "test"
        try:
            data = self.files(self.root, train=name == "train")
        except RuntimeError as error:
            raise self._missing("a file is missing or damaged (its checksum is wrong)") from error
        images = data.data.transpose(0, 3, 1, 2)
        return ImageArrays(split, f"{type(self).__name__} {name}", [images], torch.tensor(data.targets))

    def _missing(self, problem: str) -> FileNotFoundError:
        return FileNotFoundError(
            f"{type(self).__name__}: {problem}; expected the Python version in "
            f"{self.root}/{self.files.base_folder}; set --data.init_args.root to its folder, or "
            "--data.init_args.download true"
        )


class CIFAR100(CIFAR10):
    """CIFAR-100, in torchvision's layout, ``root/cifar-100-python``; ``test`` is also ``val``.

    Labels are the 100 fine classes.

    Args:
        root: Folder of the data set.
        download: Download it into ``root`` if it is absent.
        **kwargs: See :class:`~datamodules.images.ImageDataModule`.

    Raises:
        FileNotFoundError: A file is missing or damaged.
    """

    files: ClassVar[Any] = datasets.CIFAR100

    def __init__(self, root: str, download: bool = False, **kwargs: Any) -> None:
        super().__init__(root, download, **kwargs)
