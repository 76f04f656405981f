"""A minimal method and data module for the classification of audio."""

from __future__ import annotations

from typing import Any

import torch
from lightning import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from unlabelled.batch import Batch, Features
from unlabelled.data.datasets.samples import NOT_REPLACED, OrderedShard
from unlabelled.encoders import Encoder
from unlabelled.encoders.evaluation_crops import embed_crops

CLASSES = 3
MAPS = (2, 5, 4)  # channels, frequencies, times
CLIPS = 3


class SignedSpectrograms(Encoder):
    """Encoder whose feature maps are the spectrogram and its negative."""

    modality = "audio"
    dim = 2

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 1, F, T)`` to ``(batch, 2, F, T)``."""
        return torch.cat([inputs, -inputs], 1)


class AudioModule(LightningModule):
    """Method with an audio encoder; ``embed`` returns the mean of its maps."""

    def __init__(self, modality: str = "audio") -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({modality: SignedSpectrograms()})
        self.unused = nn.Parameter(torch.zeros(1))

    def embed(self, batch: Batch) -> Features:
        return {name: encoder(batch["audio"]) for name, encoder in self.encoders.items()}

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        return {"features": embed_crops(self.embed, batch)}

    test_step = validation_step


class Recordings(Dataset[dict[str, Tensor]]):
    """Sub-clips with noisy spectrograms around one mean per class, from a seed."""

    def __init__(self, seed: int, size: int, clips: int = CLIPS) -> None:
        centres = torch.randn(CLASSES, 1, *MAPS[1:], generator=torch.Generator().manual_seed(0))
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.arange(size) % CLASSES
        noise = 2.5 * torch.randn(size, max(clips, 1), 1, *MAPS[1:], generator=generator)
        self.audio = centres[self.labels].unsqueeze(1) + noise
        if not clips:
            self.audio = self.audio[:, 0]
        self.replaced = torch.full((size,), NOT_REPLACED)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, key: Any) -> dict[str, Tensor]:
        row = key[0]
        return {
            "audio": self.audio[row],
            "label": self.labels[row],
            "index": torch.tensor(row),
            "replaced": self.replaced[row],
        }


class RecordingData(LightningDataModule):
    """Training and test recordings, distributed over the ranks in turn."""

    class_names = ("hum", "hiss", "click")

    def __init__(self, clips: int = CLIPS) -> None:
        super().__init__()
        self.splits = {"train": Recordings(1, 48, clips), "test": Recordings(2, 40, clips)}

    def _loader(self, split: str) -> DataLoader[Any]:
        data = self.splits[split]
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return DataLoader(data, batch_size=8, sampler=OrderedShard(len(data), rank, world_size))

    def bank_dataloader(self) -> DataLoader[Any]:
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader("test")

    test_dataloader = val_dataloader


class FoldedRecordings(RecordingData):
    """Test recordings with four folds and no bank."""

    def folds(self, split: str) -> list[int] | None:
        return [row // CLASSES % 4 + 1 for row in range(len(self.splits["test"]))]

    def bank_dataloader(self) -> DataLoader[Any]:
        raise AssertionError("there is no bank")
