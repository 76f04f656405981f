"""A small method and data of the contracts, for the checks of learning."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader

from unlabelled.batch import Batch, Features
from unlabelled.clustering.pseudo_labels import PseudoLabels
from unlabelled.data.datasets.samples import OrderedShard, SampleDataset, ShuffledShard
from unlabelled.pipelines.base import SamplePipeline

SIDE, CLUSTERS, HEADS = 8, 4, 3


class Stripes(SampleDataset):
    """Images with horizontal or vertical stripes in one of two colours, and audio with the same stripes."""

    def __init__(self, size: int, train: bool) -> None:
        self.size, self.train = size, train

    def __len__(self) -> int:
        return self.size

    def path(self, row: int) -> str:
        return f"{row}"

    def read(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        stripes = torch.zeros(SIDE, SIDE)
        stripes[:: 2 + row % 2] = 1
        stripes = stripes.T if row % 4 > 1 else stripes
        noise = torch.from_numpy(rng.normal(0, 0.1 if self.train else 0.05, (3, SIDE, SIDE)))
        image = (noise + stripes).float()
        audio = stripes[None] + 0.1 * noise[:1].float()
        return {"image": image, "audio": audio, "label": torch.tensor(row % 4)}


class StripeData(LightningDataModule):
    """Training rows, and a validation set if it has samples."""

    num_train_samples, train_fingerprint = 48, "stripes"

    def __init__(self, num_val: int = 40) -> None:
        super().__init__()
        self.num_val, self.passes = num_val, 0
        self.active_pipeline = SamplePipeline()

    def clip_paths(self, split: str) -> list[str]:
        return []

    def _rank(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _ordered(self, size: int, train: bool) -> DataLoader[Any]:
        data = Stripes(size, train)
        return DataLoader(data, 8, sampler=OrderedShard(size, *self._rank()))

    def train_dataloader(self) -> DataLoader[Any]:
        data = Stripes(self.num_train_samples, train=True)
        return DataLoader(data, 8, sampler=ShuffledShard(len(data), *self._rank(), 8))

    def val_dataloader(self) -> Any:
        return self._ordered(self.num_val, train=False) if self.num_val else []

    def pass_dataloader(self, epoch: int) -> DataLoader[Any]:
        self.passes += 1
        return self._ordered(self.num_train_samples, train=True)

    shuffled_pass_dataloader = pass_dataloader

    def fixed_pass_dataloader(self) -> DataLoader[Any]:
        return self._ordered(self.num_train_samples, train=False)


class Embedding(LightningModule):
    """Two encoders with BatchNorm and dropout, whose features of a sample are made equal."""

    rate = 0.02

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.encoders = nn.ModuleDict({name: _encoder(channels) for name, channels in _CHANNELS.items()})

    def embed(self, batch: Batch) -> Features:
        return {name: encoder(batch[name]) for name, encoder in self.encoders.items()}

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        return {"features": self.embed(batch)}

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        return self.evaluation_step(batch)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        image, audio = self.embed(batch).values()
        return (image - audio).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), self.rate)


class Predicting(Embedding):
    """Heads, which learn the clusters of the stripes; with ``pseudo_labels`` as a clusterable method has."""

    num_clusterings, num_clusters = HEADS, CLUSTERS

    def __init__(self, pass_labels: int = 0) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({name: nn.Linear(16, HEADS * CLUSTERS) for name in self.encoders})
        self.pseudo_labels = PseudoLabels(HEADS)
        if pass_labels:
            self.pseudo_labels.allocate(pass_labels)
            self.pseudo_labels.table[:] = (torch.arange(pass_labels) % CLUSTERS).unsqueeze(1)

    def log_probs(self, features: Features) -> dict[str, Tensor]:
        logits = {name: self.heads[name](each) for name, each in features.items()}
        return {name: each.view(-1, HEADS, CLUSTERS).log_softmax(2) for name, each in logits.items()}

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        features = self.embed(batch)
        return {"features": features, "cluster_log_probs": self.log_probs(features)}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        log_probs = torch.stack(list(self.log_probs(self.embed(batch)).values()))
        target = (batch["index"] % CLUSTERS).view(1, -1, 1, 1).expand(*log_probs.shape[:3], 1)
        return -log_probs.gather(3, target).mean()

    def prepare_clustering(self, features: Features, pass_index: int, seed: int) -> None:
        pass

    def cluster_scores(self, features: Features, head: int) -> Tensor:
        return torch.stack(list(self.log_probs(features).values())).sum(0)[:, head]

    def num_modalities(self, head: int) -> int:
        return 2


_CHANNELS = {"image": 3, "audio": 1}


def _encoder(channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.1),
    )
