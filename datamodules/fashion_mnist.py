"""Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 60 000 + 10 000 photographs of garments, 28 x 28 pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torchvision import datasets

from datamodules.images import ImageDataModule
from unlabelled.data.datasets.images import ImageArrays
from unlabelled.data.real import FASHION_MNIST_CLASSES, get_fashion_mnist


class FashionMNIST(ImageDataModule):
    """Fashion-MNIST in torchvision's layout, ``root/FashionMNIST/raw``; ``test`` is also ``val``.

    The files are fetched if they are absent; see :func:`unlabelled.data.real.get_fashion_mnist`. Images are
    grey, in three equal channels.

    Args:
        root: Folder of the data set.
        train_per_class: Training images per class, the first ones; ``null``: all 6000.
        test_per_class: Held-out images per class, the first ones; ``null``: all 1000.
        **kwargs: See :class:`~datamodules.images.ImageDataModule`.

    Raises:
        ConnectionError: A file is absent and cannot be fetched.
        ValueError: A file is damaged, or there are fewer images of a class.
    """

    def __init__(
        self,
        root: str = "data/real",
        train_per_class: int | None = None,
        test_per_class: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)
        self.train_per_class, self.test_per_class = train_per_class, test_per_class

    def prepare_data(self) -> None:
        """Fetch the files if they are absent, in one process per node."""
        get_fashion_mnist(self.root)
        super().prepare_data()

    @property
    def class_names(self) -> list[str]:
        """The class names."""
        return list(FASHION_MNIST_CLASSES)

    def source(self, split: str) -> ImageArrays:
        """Return the training images, or the test images for ``val`` and ``test``."""
        train = split == "train"
        data = datasets.FashionMNIST(self.root, train=train)
        labels, number = data.targets, self.train_per_class if train else self.test_per_class
        rows = torch.arange(len(labels)) if number is None else _first(labels, number)
        grey = data.data[rows].unsqueeze(1).numpy()
        images = np.broadcast_to(grey, (len(grey), 3, *grey.shape[2:]))
        return ImageArrays(split, f"FashionMNIST {'train' if train else 'test'}", [images], labels[rows])


def _first(labels: torch.Tensor, number: int) -> torch.Tensor:
    """Return the rows of the first ``number`` images of each class, in order."""
    found = [torch.nonzero(labels == label).flatten() for label in range(len(FASHION_MNIST_CLASSES))]
    if min(len(rows) for rows in found) < number:
        least = min(len(rows) for rows in found)
        raise ValueError(f"FashionMNIST: {number} images per class are wanted, there are {least}")
    return torch.cat([rows[:number] for rows in found]).sort().values
