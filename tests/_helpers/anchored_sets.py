"""Small evaluation sets and a method with anchors, for figures of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule, LightningModule
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from unlabelled.batch import Batch, Features
from unlabelled.data.datasets.evaluation_sets import EvaluationSet, LabelledSet, RetrievalSet
from unlabelled.data.datasets.samples import NOT_REPLACED, OrderedShard
from unlabelled.distributed import all_reduce_sum_

CLASSES = 3
DIM = 6


class Streams(Dataset[dict[str, Tensor]]):
    """One token per modality, around one mean per class; the modalities of a sample are similar."""

    def __init__(self, seed: int, size: int, labelled: bool) -> None:
        generator = torch.Generator().manual_seed(seed)
        classes = torch.arange(size) % CLASSES
        means = 2 * torch.randn(CLASSES, DIM, generator=generator)
        centres = means[classes] + torch.randn(size, DIM, generator=generator)
        noise = 0.3 * torch.randn(3, size, DIM, generator=generator)
        self.streams = dict(zip(("text", "video", "audio"), centres + noise, strict=True))
        self.present = {name: torch.ones(size, dtype=torch.bool) for name in self.streams}
        self.label = classes if labelled else torch.full((size,), -1)
        self.replaced = torch.full((size,), NOT_REPLACED)

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, key: Any) -> dict[str, Tensor]:
        row = key[0]
        sample = {"label": self.label[row], "index": torch.tensor(row), "replaced": self.replaced[row]}
        for name, stream in self.streams.items():
            sample["video_features" if name == "video" else name] = stream[row].unsqueeze(0)
            sample[f"{name}_mask"] = self.present[name][row].unsqueeze(0)
        return sample


class _Set(EvaluationSet):
    """Base class of the sets."""

    def __init__(self, name: str, samples: Streams, thumbnails: bool = True) -> None:
        self.name, self.samples, self.thumbnails = name, samples, thumbnails
        self.opened = 0

    def open(self) -> None:
        self.opened += 1

    def __len__(self) -> int:
        return len(self.samples)

    def dataset(self, pipeline: Any) -> Any:
        return self.samples

    def title(self, row: int) -> str:
        return f"clip{row}"

    def thumbnail(self, row: int) -> NDArray[np.uint8] | None:
        return np.full((84, 112, 3), 3 * row % 256, dtype=np.uint8) if self.thumbnails else None


class Pairs(_Set, RetrievalSet):
    @property
    def texts(self) -> Sequence[str]:
        return [f"text {row} über $5" for row in range(len(self))]

    @property
    def complete_size(self) -> int:
        return len(self) + 2


class Actions(_Set, LabelledSet):
    @property
    def class_names(self) -> Sequence[str]:
        return ["Käse", "cars", "pets"]


class SetData(LightningDataModule):
    """Two evaluation sets, distributed over the ranks in turn."""

    def __init__(self, *sets: EvaluationSet) -> None:
        super().__init__()
        self.sets = sets or (
            Pairs("pairs", Streams(0, 37, False)),
            Actions("actions", Streams(1, 45, True), thumbnails=False),
        )

    def evaluation_sets(self, stage: str) -> Sequence[EvaluationSet]:
        return self.sets

    def _loader(self, samples: Streams) -> DataLoader[Any]:
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return DataLoader(samples, batch_size=8, sampler=OrderedShard(len(samples), rank, world_size))

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader(Streams(2, 16, False))

    def val_dataloader(self) -> list[DataLoader[Any]]:
        return [self._loader(each.dataset(None)) for each in self.sets]

    test_dataloader = val_dataloader


class Anchored(LightningModule):
    """Method whose features are the normalised tokens, with fixed anchors."""

    def __init__(self, num_anchors: int = 8, num_assigned: int = 4) -> None:
        super().__init__()
        self.num_anchors, self.num_assigned = num_anchors, num_assigned
        generator = torch.Generator().manual_seed(7)
        self.anchors = nn.Parameter(torch.randn(num_anchors, DIM, generator=generator))
        self.assigned: list[Tensor] = []

    def embed(self, batch: Batch) -> Features:
        streams = {"text": batch["text"], "video": batch["video_features"], "audio": batch["audio"]}
        features = {name: nn.functional.normalize(stream[:, 0], dim=1) for name, stream in streams.items()}
        features["video+audio"] = (features["video"] + features["audio"]) / 2
        return features

    def assign_anchors(self, scores: Tensor) -> Tensor:
        """Subtract from each anchor its mean score over the samples of all ranks."""
        self.assigned.append(scores)
        total = all_reduce_sum_(torch.tensor(len(scores)))
        return (5 * (scores - all_reduce_sum_(scores.sum(0)) / total)).sigmoid()

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        features = self.embed(batch)
        anchors = nn.functional.normalize(self.anchors, dim=1)
        scores = {name: features[name] @ anchors.T for name in ("text", "video", "audio")}
        return {"features": features, "anchor_scores": scores}

    test_step = validation_step

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return (self.embed(batch)["video"] @ self.anchors.T).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.0)
