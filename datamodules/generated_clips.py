"""Base class of the data sets of clips that this package makes."""

from __future__ import annotations

import csv
from abc import abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datamodules.vggsound import VGGSound


class GeneratedClips(VGGSound):
    """Clips in VGG-Sound's layout, with families of classes and boxes, written before the first run.

    A subclass writes them (:meth:`write`).

    Args:
        root: Folder to write to, and to read from afterwards.
        data_seed: Seed of the data set, apart from the run's.
        train_per_class: Training clips per class.
        test_per_class: Held-out clips per class.
        **kwargs: See :class:`~datamodules.clips.ClipDataModule`.

    Attributes:
        box_agreement: 1, since the boxes are exact.
    """

    published = True  # the files are written by this package, each once
    box_agreement = 1.0

    def __init__(
        self,
        root: str,
        data_seed: int = 0,
        train_per_class: int = 40,
        test_per_class: int = 20,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)
        self.data_seed = data_seed
        self.train_per_class, self.test_per_class = train_per_class, test_per_class

    @abstractmethod
    def write(self) -> None:
        """Write the files if they are absent."""

    @cached_property
    def class_groups(self) -> list[str]:
        """The family of each class by label, the upper level of the true hierarchy."""
        with Path(self.root, "classes.csv").open(newline="", encoding="utf-8") as file:
            parents = {row["label"]: row["parent"] for row in csv.DictReader(file)}
        return [parents[name] for name in self.class_names]

    def prepare_data(self) -> None:
        """Write the files if they are absent, in one process per machine, and check them."""
        self.write()
        super().prepare_data()

    def boxes(self, split: str, row: int, second: float) -> Tensor:
        """Return the box around the sounding object, ``(1, 4)``: x0, y0, x1, y1 as fractions of the frame.

        Args:
            split: ``train``, ``val`` or ``test``.
            row: Row of the split.
            second: Second in the file; the box nearest in time is returned, there is one every 0.25 s.
        """
        youtube_id = Path(self._indices[split].entries[row].path).stem.rpartition("_")[0]
        track = self._tracks[youtube_id]  # (times, 5): seconds, then the box
        return torch.from_numpy(track[np.abs(track[:, 0] - second).argmin(), 1:]).unsqueeze(0)

    def class_boxes(self, split: str, row: int, second: float) -> dict[int, Tensor]:
        """Return the box of the one sounding class of a clip; arguments as in :meth:`boxes`."""
        return {self._indices[split].entries[row].label: self.boxes(split, row, second)}

    @cached_property
    def _tracks(self) -> dict[str, NDArray[np.float64]]:
        rows: dict[str, list[list[float]]] = {}
        with Path(self.root, "boxes.csv").open(newline="", encoding="utf-8") as file:
            lines = csv.reader(file)
            next(lines)
            for youtube_id, *numbers in lines:
                rows.setdefault(youtube_id, []).append([float(number) for number in numbers])
        return {youtube_id: np.array(track) for youtube_id, track in rows.items()}
