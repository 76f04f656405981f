"""COCO (Lin et al. 2014): boxes and masks of the objects of 80 classes; and own data in its format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from datamodules.base import SampleDataModule
from unlabelled.data.datasets.coco import CocoDataset, CocoIndex, collate_objects
from unlabelled.data.inside import check_paths
from unlabelled.data.media.files import find_list
from unlabelled.pipelines import DetectionImages


class COCO(SampleDataModule[CocoIndex, DetectionImages]):
    """Images and objects of ``train2017``, and of ``val2017`` as ``val`` and ``test``.

    The lists are ``root/annotations/instances_<split>.json``, the images ``root/<split>/<file_name>``. Crowds
    are left out of training, and so are images without another object; in evaluation they are ignored, as in
    COCO's own program.

    Args:
        root: Folder of the data set.
        pipeline: Makes tensors of an image and its objects; ``null``: flips half of them.
        train_split: Name of the folder and list to learn from.
        eval_split: Name of the folder and list to evaluate on.
        **kwargs: See :class:`~datamodules.base.SampleDataModule`.

    Raises:
        FileNotFoundError: A list is missing.
        OutsideRootError: A link leads out of ``root``, or a file of a list does.
        ValueError: A list is not in the format of COCO, or both lists have other classes.
    """

    holds = ("images",)
    published = True

    def __init__(
        self,
        root: str,
        pipeline: DetectionImages | None = None,
        train_split: str = "train2017",
        eval_split: str = "val2017",
        **kwargs: Any,
    ) -> None:
        super().__init__(root, pipeline if pipeline is not None else DetectionImages(), **kwargs)
        self.train_split, self.eval_split = train_split, eval_split

    @property
    def collate(self) -> Callable[[list[Any]], Any]:
        """Lists of images and objects, which differ in size."""
        return collate_objects

    @property
    def class_names(self) -> list[str]:
        """The classes by their official number; label 0 is the first one."""
        known = self._indices or {"val": self._index("val")}
        return next(iter(known.values())).class_names

    def find(self, split: str) -> CocoIndex:
        """Return the images of ``train_split`` or ``eval_split``."""
        name = self.train_split if split == "train" else self.eval_split
        listing = find_list(self.root, [f"annotations/instances_{name}.json"], None, type(self).__name__)
        index = CocoIndex(split, listing, Path(self.root, name), train=split == "train")
        if not self.allow_outside:
            check_paths(self.root, (f"{name}/{file}" for file in index.names), str(listing))
        for other in self._indices.values():
            if other.class_names != index.class_names:
                raise ValueError(f"{listing} has other classes than {other.listing}")
        return index

    def dataset(self, split: str, train: bool) -> CocoDataset:
        """Return the images of a split."""
        return CocoDataset(self._indices[split], self.active_pipeline, train)

    def clip_paths(self, split: str) -> list[str]:
        """Return the file of each row of a split."""
        index = self._indices[split]
        return [index.path(row) for row in range(len(index))]
