"""Small data sets of single images, frames of the composed clips."""

from __future__ import annotations

from typing import Any, Literal

from datamodules.image_folders import ImageFolder
from unlabelled.data.synthetic.composed import DigitsSet, PatternsSet, write_composed_images

_SETS = {"digits": DigitsSet, "patterns": PatternsSet}


class ComposedImages(ImageFolder):
    """Eight classes of handwritten digits or of textures, PNG files of several sizes, from a seed.

    Single frames of the sets of :class:`~datamodules.Digits` and :class:`~datamodules.Patterns`. The files
    are written once, by one process per machine, before the first run.

    Args:
        images: ``digits`` or ``patterns``.
        root: Folder to write to, and to read from afterwards; ``null``: ``data/<images>_images``.
        data_seed: Seed of the data set, apart from the run's.
        train_per_class: Training images per class.
        val_per_class: Held-out images per class; digits are of other handwriting.
        **kwargs: See :class:`~datamodules.images.ImageDataModule`.

    Raises:
        ValueError: Other ``images``.
    """

    published = True  # the files are written by this package, each once

    def __init__(
        self,
        images: Literal["digits", "patterns"],
        root: str | None = None,
        data_seed: int = 0,
        train_per_class: int = 300,
        val_per_class: int = 100,
        **kwargs: Any,
    ) -> None:
        if images not in _SETS:
            raise ValueError(f"ComposedImages: images={images!r} must be one of {', '.join(_SETS)}")
        super().__init__(root or f"data/{images}_images", **kwargs)
        self.images, self.data_seed = images, data_seed
        self.train_per_class, self.val_per_class = train_per_class, val_per_class

    def prepare_data(self) -> None:
        """Write the files if they are absent, and check them."""
        source = _SETS[self.images]()
        write_composed_images(self.root, source, self.data_seed, self.train_per_class, self.val_per_class)
        super().prepare_data()
