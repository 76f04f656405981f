"""Evaluation sets with given features, and a method that returns these."""

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
from unlabelled.data.datasets.clips import NOT_REPLACED, OrderedShard
from unlabelled.data.datasets.evaluation_sets import EvaluationSet, LabelledSet, RetrievalSet, StepSet

DIM = 6


class KnownRows(Dataset[dict[str, Tensor]]):
    """Rows of a table."""

    def __init__(self, columns: dict[str, Tensor]) -> None:
        size = len(next(iter(columns.values())))
        defaults = {"label": torch.full((size,), -1), "replaced": torch.full((size,), NOT_REPLACED)}
        self.columns = {**defaults, "index": torch.arange(size), **columns}

    def __len__(self) -> int:
        return len(self.columns["index"])

    def __getitem__(self, key: Any) -> dict[str, Tensor]:
        row = key[0] if isinstance(key, tuple) else key
        return {name: column[row] for name, column in self.columns.items()}


class Known(EvaluationSet):
    """Base class of the sets."""

    def __init__(self, name: str, columns: dict[str, Tensor]) -> None:
        self.name, self.rows = name, KnownRows(columns)
        self.times_opened = 0

    def open(self) -> None:
        self.times_opened += 1

    def __len__(self) -> int:
        return len(self.rows)

    def dataset(self, pipeline: Any) -> Any:
        return self.rows

    def title(self, row: int) -> str:
        return f"{self.name}{row // 2}"


class Pairs(Known, RetrievalSet):
    """Texts similar to their video and audio, from a seed."""

    def __init__(self, name: str, size: int, seed: int, missing: int = 0, noise: float = 1.5) -> None:
        generator = torch.Generator().manual_seed(seed)
        text = torch.randn(size, DIM, generator=generator)
        streams = {
            part: (text + noise * torch.randn(size, DIM, generator=generator))
            * (1 + torch.arange(size)[:, None])
            for part in ("video", "audio")
        }
        super().__init__(name, {"text": text, **streams})
        self.complete_size = size + missing

    complete_size = 0
    texts: Sequence[str] = ()


class Classes(Known, LabelledSet):
    """Samples around one centre per class, from a seed."""

    def __init__(self, name: str, size: int, num_classes: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        label = torch.arange(size) % num_classes
        centres = 2 * torch.randn(num_classes, DIM, generator=generator)
        video = centres[label] + 0.5 * torch.randn(size, DIM, generator=generator)
        scale = 1 + 10 * torch.rand(size, 1, generator=generator)
        super().__init__(name, {"video": video * scale, "label": label})
        self.class_names = [f"class {number}" for number in range(num_classes)]

    class_names: Sequence[str] = ()


class Steps(Known, StepSet):
    """Videos of tasks with different numbers of steps; each segment is similar to its step."""

    task_names: Sequence[str] = ("bake", "plant", "fold")
    steps: Sequence[Sequence[str]] = (
        ("mix", "knead", "heat"),
        ("dig", "sow"),
        ("fold", "press", "cut", "sew"),
    )

    def __init__(self, name: str, lengths: Sequence[int], seed: int, noise: float = 0.7) -> None:
        generator = torch.Generator().manual_seed(seed)
        counts = [len(each) for each in self.steps]
        self.texts = KnownRows({"text": torch.randn(sum(counts), DIM, generator=generator)})
        self.truths: list[NDArray[np.bool_]] = []
        columns: dict[str, list[Tensor]] = {name: [] for name in ("video", "number", "second", "task")}
        for video, length in enumerate(lengths):
            task = video % len(counts)
            step = torch.arange(length) * counts[task] // length  # one step after the other
            first = sum(counts[:task])
            features = self.texts.columns["text"][first + step]
            columns["video"].append(features + noise * torch.randn(length, DIM, generator=generator))
            columns["number"].append(torch.full((length,), video))
            columns["second"].append(torch.arange(length))
            columns["task"].append(torch.full((length,), task))
            truth = (step.unsqueeze(1) == torch.arange(counts[task])).numpy()
            truth[:, :1] &= video % 4 != 3  # some videos lack their first step
            self.truths.append(truth)
        table = {name: torch.cat(parts) for name, parts in columns.items()}
        super().__init__(
            name, {"clip": table["video"], "video": table["number"], **_without(table, "video", "number")}
        )

    def step_dataset(self, pipeline: Any) -> Any:
        return self.texts

    def annotation(self, video: int) -> NDArray[np.bool_]:
        return self.truths[video]


def _without(table: dict[str, Tensor], *names: str) -> dict[str, Tensor]:
    return {name: column for name, column in table.items() if name not in names}


class SetData(LightningDataModule):
    """Evaluation sets, distributed over the ranks in turn."""

    def __init__(self, *sets: EvaluationSet, validate_on: Sequence[EvaluationSet] | None = None) -> None:
        super().__init__()
        self.sets = {"test": list(sets), "val": list(sets if validate_on is None else validate_on)}
        self.active_pipeline = None

    def evaluation_sets(self, stage: str) -> Sequence[EvaluationSet]:
        return self.sets[stage]

    def _loaders(self, stage: str) -> list[DataLoader[Any]]:
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        data = [each.dataset(None) for each in self.sets[stage]]
        return [
            DataLoader(rows, batch_size=7, sampler=OrderedShard(len(rows), rank, world_size)) for rows in data
        ]

    def train_dataloader(self) -> DataLoader[Any]:
        rows = KnownRows({"video": torch.ones(8, DIM)})
        return DataLoader(rows, batch_size=2)

    def val_dataloader(self) -> list[DataLoader[Any]]:
        return self._loaders("val")

    def test_dataloader(self) -> list[DataLoader[Any]]:
        return self._loaders("test")


class FeatureModule(LightningModule):
    """Return the features of the batch; those of videos times a weight that is trained."""

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate
        self.weight = nn.Parameter(torch.ones(DIM))

    def embed(self, batch: Batch) -> Features:
        features: Features = {name: batch[name] for name in ("text", "audio") if name in batch}
        video = batch.get("clip", batch.get("video"))
        if video is not None:
            features["video"] = video * self.weight
        if "video" in features and "audio" in features:
            features["video+audio"] = (features["video"] + features["audio"]) / 2
        return features

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        return {"features": self.embed(batch)}

    test_step = validation_step

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.embed(batch)["video"][:, 0].sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), self.rate)
