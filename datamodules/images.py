"""Base class of data modules of images."""

from __future__ import annotations

from abc import abstractmethod

from datamodules.base import PredictSplit, SampleDataModule, StartMethod
from unlabelled.data.datasets.clip_names import ClipName
from unlabelled.data.datasets.images import ImageDataset, ImageSource
from unlabelled.data.media.files import IMAGE_SUFFIXES, scan_files
from unlabelled.data.media.index import EmptyIndexError
from unlabelled.data.media.shards import packed_root
from unlabelled.pipelines.base import ImagePipeline


class ImageDataModule(SampleDataModule[ImageSource, ImagePipeline]):
    """Images with a train, a val and a test split; labels are for evaluation only.

    A subclass defines the images of a split (:meth:`source`) and the names of the classes
    (:attr:`class_names`). An image that cannot be read during the run is replaced and logged.

    Args:
        root: Folder of the data set.
        pipeline: Makes tensors of an image.
        batch_size: Images per rank and step in training.
        eval_batch_size: Images per rank and step in evaluation and in passes; ``null``: twice as many.
        num_workers: Number of processes that read and augment.
        test_pipeline: Makes tensors in ``test`` and ``predict``, also of the bank; ``null``: ``pipeline``.
        predict_split: See :class:`~datamodules.base.SampleDataModule`.
        allow_outside: Read files that lie outside of ``root`` by a link, or by the table of own files.
        multiprocessing_context: See :class:`~datamodules.base.SampleDataModule`.
        shards: Packed folder, or its URL, that is read in place of ``root`` (docs/own_data.md#shards).

    Raises:
        FileNotFoundError: ``root`` does not exist.
        OutsideRootError: A link leads out of ``root``, or a path of a list does.
        EmptyIndexError: A split has no images.
    """

    holds = ("images",)

    def __init__(
        self,
        root: str,
        pipeline: ImagePipeline,
        batch_size: int = 64,
        eval_batch_size: int | None = None,
        num_workers: int = 2,
        test_pipeline: ImagePipeline | None = None,
        predict_split: PredictSplit = "test",
        allow_outside: bool = False,
        multiprocessing_context: StartMethod | None = None,
        shards: str | None = None,
    ) -> None:
        super().__init__(
            packed_root(root, shards),
            pipeline,
            test_pipeline,
            batch_size,
            eval_batch_size,
            num_workers,
            predict_split,
            allow_outside,
            multiprocessing_context,
        )

    @abstractmethod
    def source(self, split: str) -> ImageSource:
        """Return the images of ``train``, ``val``, ``test`` or :attr:`bank_split`."""

    def scan(self, root: str, below: str) -> list[str]:
        """Return the images in all visible folders below ``<root>/<below>``, relative to ``root``."""
        return scan_files(root, IMAGE_SUFFIXES, below, self.allow_outside)

    def find(self, split: str) -> ImageSource:
        """Return the images of a split; see :meth:`source`.

        Raises:
            EmptyIndexError: There are none.
        """
        source = self.source(split)
        if len(source) == 0:
            raise EmptyIndexError(
                f"{type(self).__name__}: no usable image below root={self.root!r} in {source.summary()}"
            )
        return source

    def dataset(self, split: str, train: bool) -> ImageDataset:
        """Return the images of a split."""
        return ImageDataset(self._indices[split], self.active_pipeline, train)

    def clip_paths(self, split: str) -> list[str]:
        """Return the file of each row of a split, or another name for it."""
        source = self._indices[split]
        return [source.path(row) for row in range(len(source))]

    def clip_names(self, split: str) -> list[ClipName]:
        """Return the file and the class of each row of a split."""
        names, labels = self.class_names, self._indices[split].labels
        if labels.ndim > 1:  # several classes per image
            return [ClipName(path, split) for path in self.clip_paths(split)]
        return [
            ClipName(path, split, label=names[label] if 0 <= label < len(names) else "")
            for path, label in zip(self.clip_paths(split), labels.tolist(), strict=True)
        ]
