"""The data set of images: files or arrays in memory, with labels."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unlabelled.data.datasets.samples import SampleDataset
from unlabelled.data.left_out import list_left_out
from unlabelled.data.media.images import decode_image
from unlabelled.data.strings import Strings
from unlabelled.pipelines.base import ImagePipeline


class ImageSource(ABC):
    """The images of one split, by row.

    Args:
        split: Name of the split, for messages.
        labels: ``(N,)`` integers, -1: no label; or ``(N, C)``, 1: present, 0: absent, -1: ignore.
    """

    def __init__(self, split: str, labels: Tensor) -> None:
        self.split, self.labels = split, labels

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def image(self, row: int) -> Tensor:
        """Return one image, uint8 ``(3, H, W)``.

        Raises:
            DecodeError: The image cannot be read.
        """

    @abstractmethod
    def path(self, row: int) -> str:
        """Return the file of one row, or another name for it."""

    @abstractmethod
    def identity(self) -> Iterable[bytes]:
        """Yield the bytes that identify this list of images, for the fingerprint."""

    @property
    def fingerprint(self) -> str:
        """Hash of 16 hexadecimal digits of the names of the images, their order and labels."""
        digest = hashlib.sha256(self.labels.numpy().tobytes())
        for part in self.identity():
            digest.update(part)
        return digest.hexdigest()[:16]

    def summary(self) -> str:
        """Return one line: the number of images."""
        return f"{self.split}: {len(self)} images"


class ImageFiles(ImageSource):
    """Image files of any format that Pillow reads.

    Args:
        split: Name of the split, for messages.
        root: Folder that the paths are relative to.
        paths: One per image, with forward slashes.
        labels: See :class:`ImageSource`.
        missing: Paths of the list that are not on disk, for the summary.

    Raises:
        ValueError: The numbers of labels and paths differ.
    """

    def __init__(
        self, split: str, root: str, paths: Sequence[str], labels: Tensor, missing: Sequence[str] = ()
    ) -> None:
        super().__init__(split, labels)
        if len(paths) != len(labels):
            raise ValueError(f"{split}: {len(paths)} paths, but {len(labels)} labels")
        self.root, self.missing = root, list(missing)
        self._paths = Strings(paths)

    def image(self, row: int) -> Tensor:
        """Return one image, decoded."""
        return decode_image(self.path(row))

    def path(self, row: int) -> str:
        """Return the full path of one row."""
        return f"{self.root}/{self._paths[row]}"

    def identity(self) -> Iterable[bytes]:
        """Yield the paths below the root, which may lie elsewhere on another machine."""
        return (self._paths.text.tobytes(), self._paths.ends.tobytes())

    def summary(self) -> str:
        """Return one line: the number of images, and the number and five names of the missing ones."""
        text = super().summary()
        if not self.missing:
            return text
        (missing,) = list_left_out({"missing": self.missing})
        return f"{text} of {len(self) + len(self.missing)} listed; left out: {missing}"


class ImageArrays(ImageSource):
    """Images in arrays, which may be memory-mapped files.

    Args:
        split: Name of the split, for messages.
        name: Name of the images as a whole, for messages.
        arrays: uint8 ``(n, 3, H, W)`` each, one after the other.
        labels: See :class:`ImageSource`.

    Raises:
        ValueError: The numbers of labels and images differ, or an array is not uint8 ``(n, 3, H, W)``.
    """

    def __init__(self, split: str, name: str, arrays: Sequence[NDArray[np.uint8]], labels: Tensor) -> None:
        super().__init__(split, labels)
        for array in arrays:
            if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1] != 3:
                raise ValueError(f"{name}: expected uint8 (n, 3, H, W), got {array.dtype} {array.shape}")
        self.name, self.arrays = name, list(arrays)
        self._ends = np.cumsum([len(array) for array in arrays])
        if self._ends[-1] != len(labels):
            raise ValueError(f"{name}: {self._ends[-1]} images, but {len(labels)} labels")

    def image(self, row: int) -> Tensor:
        """Return a copy of one image."""
        part = int(np.searchsorted(self._ends, row, side="right"))
        array = self.arrays[part]
        return torch.from_numpy(np.array(array[row - int(self._ends[part]) + len(array)]))

    def path(self, row: int) -> str:
        """Return the common name with the number of the row."""
        return f"{self.name}[{row}]"

    def identity(self) -> Iterable[bytes]:
        """Yield the common name, which stands for the pixels, and the sizes of the arrays."""
        return (self.name.encode(), self._ends.tobytes())


class ImageDataset(SampleDataset):
    """Images as tensors: those of the pipeline, ``label () or (C,)``, ``index ()`` and ``replaced ()``.

    Args:
        source: The images.
        pipeline: Makes tensors.
        train: Augment at random; otherwise as in evaluation.
    """

    def __init__(self, source: ImageSource, pipeline: ImagePipeline, train: bool) -> None:
        self.source, self.pipeline, self.train = source, pipeline, train

    def __len__(self) -> int:
        return len(self.source)

    def path(self, row: int) -> str:
        """Return the file of one row, or another name for it."""
        return self.source.path(row)

    def read(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        """Return the pipeline's tensors and ``label``."""
        sample: dict[str, Any] = self.pipeline.load(self.source.image(row), rng, self.train)
        return {**sample, "label": self.source.labels[row]}
