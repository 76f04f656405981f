"""The embedded data set: small video files that this package generates."""

from __future__ import annotations

import csv
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datamodules.vggsound import VGGSound
from unlabelled.data.synthetic.embedded import FAMILIES, write_embedded


class Embedded(VGGSound):
    """Nine classes in three families, written as H.264 and AAC in VGG-Sound's layout, from a seed.

    Some classes differ in video only, others in audio only. The files are written once, by one process per
    machine, before the first run.

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
        root: str = "data/embedded",
        data_seed: int = 0,
        train_per_class: int = 50,
        test_per_class: int = 25,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)
        self.data_seed = data_seed
        self.train_per_class, self.test_per_class = train_per_class, test_per_class

    @cached_property
    def class_groups(self) -> list[str]:
        """The family of each class by label, the upper level of the true hierarchy."""
        return [FAMILIES[name] for name in self.class_names]

    def prepare_data(self) -> None:
        """Write the files if they are absent, and check them."""
        write_embedded(self.root, self.data_seed, self.train_per_class, self.test_per_class)
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

    @cached_property
    def _tracks(self) -> dict[str, NDArray[np.float64]]:
        rows: dict[str, list[list[float]]] = {}
        with Path(self.root, "boxes.csv").open(newline="", encoding="utf-8") as file:
            lines = csv.reader(file)
            next(lines)
            for youtube_id, *numbers in lines:
                rows.setdefault(youtube_id, []).append([float(number) for number in numbers])
        return {youtube_id: np.array(track) for youtube_id, track in rows.items()}
