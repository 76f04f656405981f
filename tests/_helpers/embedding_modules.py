"""A minimal method and data module for callbacks that compare features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning import LightningDataModule, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from unlabelled.batch import Batch, Features
from unlabelled.data.datasets.clips import NOT_REPLACED, OrderedShard
from unlabelled.encoders import Encoder
from unlabelled.encoders.evaluation_crops import embed_crops

CLASSES = 4


class Pixels(Encoder):
    """Image encoder, initially the identity; the features are mean colours."""

    modality = "image"

    def __init__(self) -> None:
        super().__init__()
        self.dim = 3
        self.mix = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.eye_(self.mix.weight.view(3, 3))

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 3, H, W)`` to the same."""
        maps: Tensor = self.mix(inputs)
        return maps


class Embedder(LightningModule):
    """Method with encoders, whose training step reduces the features."""

    def __init__(self, *modalities: str) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({name: Pixels() for name in modalities or ("image",)})

    def embed(self, batch: Batch) -> Features:
        return {name: encoder(batch["image"]) for name, encoder in self.encoders.items()}

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        return {"features": embed_crops(self.embed, batch)}

    test_step = predict_step = validation_step

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return sum(value.square().mean() for value in self.embed(batch).values())  # type: ignore[return-value]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.01)


class Colours(Dataset[dict[str, Tensor]]):
    """Noisy images around one colour per class, from a seed; the crops of a sample share the colour."""

    def __init__(self, seed: int, size: int, views: int = 0, several_labels: bool = False) -> None:
        generator = torch.Generator().manual_seed(seed)
        colours = torch.tensor([[2.0, 0, 0], [0, 2, 0], [0, 0, 2], [2, 2, 0]])
        self.labels = torch.arange(size) % CLASSES
        shape = (size, max(views, 1), 3, 4, 4)
        noise = 3 * torch.randn(shape, generator=generator)
        self.images = colours[self.labels].view(size, 1, 3, 1, 1) + noise
        if not views:
            self.images = self.images[:, 0]
        if several_labels:
            self.labels = (colours[self.labels] > 0).long()  # red, green, blue
        self.replaced = torch.full((size,), NOT_REPLACED)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, key: Any) -> dict[str, Tensor]:
        row = key[0]
        return {
            "image": self.images[row],
            "label": self.labels[row],
            "index": torch.tensor(row),
            "replaced": self.replaced[row],
        }


class ColourData(LightningDataModule):
    """Three splits of colours, distributed over the ranks in turn."""

    def __init__(self, views: int = 0, several_labels: bool = False) -> None:
        super().__init__()
        self.splits = {
            split: Colours(seed, size, views, several_labels)
            for seed, (split, size) in enumerate({"train": 61, "val": 41, "test": 50}.items())
        }
        self.class_names: Sequence[str] = ["red", "green", "blue"] if several_labels else "rgby"
        self.num_banks = 0

    def _loader(self, split: str) -> DataLoader[Any]:
        data = self.splits[split]
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return DataLoader(data, batch_size=8, sampler=OrderedShard(len(data), rank, world_size))

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader("train")

    def bank_dataloader(self) -> DataLoader[Any]:
        self.num_banks += 1
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Any]:
        return self._loader("test")

    predict_dataloader = test_dataloader

    def clip_paths(self, split: str) -> list[str]:
        return [f"{split}/{row}.png" for row in range(len(self.splits[split]))]


def trainer(*callbacks: Any, **options: Any) -> Trainer:
    """Return a trainer on the CPU without output."""
    return Trainer(
        **{
            "accelerator": "cpu",
            "devices": 1,
            "callbacks": list(callbacks),
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            **options,
        }
    )
