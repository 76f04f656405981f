"""The drawn images: small images of shapes and textures that this package generates."""

from __future__ import annotations

from typing import Any

from datamodules.image_folders import ImageFolder
from unlabelled.data.synthetic.drawn import write_drawn


class DrawnImages(ImageFolder):
    """Thirteen classes of shapes and textures, PNG files of 48 x 48 pixels, from a seed.

    Position, size, colours, background, blur and noise are independent of the class. The files are written
    once, by one process per machine, before the first run.

    Args:
        root: Folder to write to, and to read from afterwards.
        data_seed: Seed of the data set, apart from the run's.
        train_per_class: Training images per class.
        val_per_class: Held-out images per class.
        **kwargs: See :class:`~datamodules.images.ImageDataModule`.
    """

    published = True  # the files are written by this package, each once

    def __init__(
        self,
        root: str = "data/drawn",
        data_seed: int = 0,
        train_per_class: int = 200,
        val_per_class: int = 50,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)
        self.data_seed = data_seed
        self.train_per_class, self.val_per_class = train_per_class, val_per_class

    def prepare_data(self) -> None:
        """Write the files if they are absent, and check them."""
        write_drawn(self.root, self.data_seed, self.train_per_class, self.val_per_class)
        super().prepare_data()
