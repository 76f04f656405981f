"""The data set of clips: files of sight and sound."""

from __future__ import annotations

from typing import Any

import torch

from unlabelled.data.index import ClipIndex
from unlabelled.data.media import Reader
from unlabelled.data.samples import (
    NOT_REPLACED,
    OrderedShard,
    SampleDataset,
    SampleKey,
    ShuffledShard,
    view_generator,
)
from unlabelled.transforms.view import ClipView

__all__ = ["NOT_REPLACED", "ClipDataset", "OrderedShard", "SampleKey", "ShuffledShard"]


class ClipDataset(SampleDataset):
    """Clips as tensors: what the view makes of them, and ``label ()``, ``index ()``, ``replaced ()``.

    Args:
        index: The usable clips.
        reader: Decodes them.
        view: Makes tensors.
        train: Random augmentation, or the fixed view.
    """

    def __init__(self, index: ClipIndex, reader: Reader, view: ClipView, train: bool) -> None:
        self.index, self.reader, self.view, self.train = index, reader, view, train

    def __len__(self) -> int:
        return len(self.index)

    def path(self, row: int) -> str:
        """Return the file of one row."""
        return f"{self.index.root}/{self.index.entries[row].path}"

    def read(self, row: int, epoch: int) -> dict[str, Any]:
        """Return the view's tensors and ``label``."""
        rng, seconds = view_generator(epoch, row), self.index.durations[row]
        sample: dict[str, Any] = self.view.load(self.reader, self.path(row), seconds, rng, self.train)
        return {**sample, "label": torch.tensor(self.index.entries[row].label)}
