"""Clips with one box each, and a minimal method that localises and scores pairs."""

from __future__ import annotations

from typing import Any

import torch
from lightning import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from unlabelled.batch import Batch
from unlabelled.data.datasets.clips import NOT_REPLACED, OrderedShard
from unlabelled.losses.sound_maps import Localised


class Squares(Dataset[dict[str, Any]]):
    """Black images with a white rectangle, and random audio."""

    def __init__(self, seed: int, size: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        corner = torch.randint(0, 9, (size, 2), generator=generator)
        extent = torch.randint(4, 8, (size, 2), generator=generator)
        self.boxes = torch.cat([corner, corner + extent], 1).double() / 16
        self.images = torch.zeros(size, 3, 16, 16)
        for row, (x0, y0, x1, y1) in enumerate((self.boxes * 16).long().tolist()):
            self.images[row, :, y0:y1, x0:x1] = 1
        self.columns = {
            "audio": torch.randn(size, 1, 4, 5, generator=generator),
            "label": torch.arange(size) % 2,
            "silent": torch.zeros(size, dtype=torch.bool),
            "replaced": torch.full((size,), NOT_REPLACED),
            "frame_second": torch.arange(size) / 4,
        }

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: Any) -> dict[str, Any]:
        row = key[0]
        columns = {name: values[row] for name, values in self.columns.items()}
        return {"image": self.images[row], "index": torch.tensor(row), **columns}


class SquareData(LightningDataModule):
    """Splits of clips, distributed over the ranks in turn; all annotators of a clip have the same box."""

    class_names = ("even", "odd")
    box_agreement = 1.0

    def __init__(self, annotators: int = 1) -> None:
        super().__init__()
        self.annotators = annotators
        self.splits = {split: Squares(seed, size) for seed, (split, size) in enumerate(SIZES.items())}
        self.requested_boxes: list[tuple[str, int, float]] = []

    def boxes(self, split: str, row: int, second: float) -> Tensor:
        self.requested_boxes.append((split, row, second))
        return self.splits[split].boxes[row].expand(self.annotators, 4)

    def _loader(self, split: str) -> DataLoader[Any]:
        data = self.splits[split]
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return DataLoader(data, batch_size=8, sampler=OrderedShard(len(data), rank, world_size))

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Any]:
        return self._loader("test")


SIZES = {"train": 16, "val": 13, "test": 19}


class BrightnessLocaliser(LightningModule):
    """Localise bright pixels, and score pairs by the distance of their audio; learn nothing.

    Args:
        inverted: Negate maps and scores.
        threshold: See :class:`~unlabelled.contracts.ScoresPairs`.
    """

    def __init__(self, inverted: bool = False, threshold: float | None = None) -> None:
        super().__init__()
        self.inverted, self.pair_threshold = inverted, threshold
        self.weight = nn.Parameter(torch.zeros(()))

    def localise(self, batch: Batch) -> Localised:
        maps = batch["image"].mean(1)
        return Localised(1 - maps if self.inverted else maps, torch.stack([maps, 1 - maps], 1))

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        codes = {"visual": batch["audio"].flatten(1), "audio": batch["audio"].flatten(1)}
        return {"features": {}, "pair_codes": codes}

    def pair_scores(self, visual: Tensor, audio: Tensor) -> Tensor:
        distance = (visual - audio).square().sum(1)
        return distance - 30 if self.inverted else 1 - distance

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        return self.evaluation_step(batch)

    test_step = validation_step

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.weight.square()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.01)
