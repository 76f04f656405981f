"""A minimal method with hierarchies, and a data module whose classes belong to groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule, LightningModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from unlabelled.batch import Batch, Features
from unlabelled.data.datasets.samples import NOT_REPLACED, OrderedShard
from unlabelled.hierarchy import Leaves, Linkage
from unlabelled.hierarchy.cluster_tree import ClusterTree

HEADS, CLUSTERS, EMPTY = 2, 6, 2
NAMES = ("image", "audio")
CLASSES = ["drum a", "drum b", "siren a", "siren b"]
GROUPS = ["drum", "drum", "siren", "siren"]


class ScoredSamples(Dataset[dict[str, Tensor]]):
    """Samples that contain the scores of each head for each modality, around one cluster per class."""

    def __init__(self, seed: int, size: int, visual: str | None = "image") -> None:
        generator = torch.Generator().manual_seed(seed)
        self.label = torch.arange(size) % len(CLASSES)
        self.scores = torch.randn(2, size, 2 * HEADS, CLUSTERS, generator=generator)
        self.scores[:, torch.arange(size), :, self.label] += 1.5
        self.replaced = torch.full((size,), NOT_REPLACED)
        self.shade = torch.rand(size, generator=generator)
        self.visual = visual

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, key: Any) -> dict[str, Tensor]:
        row = key[0]
        sample = {
            "scores": self.scores[:, row],
            "label": self.label[row],
            "index": torch.tensor(row),
            "replaced": self.replaced[row],
        }
        frame = self.shade[row].expand(3, 6, 8)
        if self.visual == "image":
            sample["image"] = frame
        if self.visual == "video":
            sample["video"] = frame.unsqueeze(1).expand(3, 2, 6, 8)
        return sample


class HierarchyData(LightningDataModule):
    """Held-out samples, distributed over the ranks in turn."""

    def __init__(self, visual: str | None = "image", size: int = 45) -> None:
        super().__init__()
        self.samples = ScoredSamples(1, size, visual)
        self.class_names: Sequence[str] = CLASSES

    def train_dataloader(self) -> DataLoader[Any]:
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        shard = OrderedShard(len(self.samples), rank, world_size)
        return DataLoader(self.samples, batch_size=8, sampler=shard)

    val_dataloader = test_dataloader = train_dataloader


class GroupedData(HierarchyData):
    """Held-out samples whose classes belong to groups."""

    class_groups: Sequence[str] = GROUPS


class Hierarchical(LightningModule):
    """Method with two hierarchies of two heads each; cluster 2 is no leaf."""

    num_heads, num_clusters, num_clusterings = HEADS, CLUSTERS, 2 * HEADS
    clustering_names: Sequence[str] = NAMES

    def __init__(self, clustered: bool = True) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.trees = [some_cluster_tree(seed) for seed in range(2 * HEADS)]
        self.clustered = clustered

    @property
    def hierarchies(self) -> Sequence[ClusterTree | None]:
        return self.trees if self.clustered else [None] * len(self.trees)

    def embed(self, batch: Batch) -> Features:
        return {name: batch["scores"][:, number].flatten(1) for number, name in enumerate(NAMES)}

    def log_probs(self, features: Features) -> dict[str, Tensor]:
        scores = {name: value.unflatten(1, (2 * HEADS, CLUSTERS)).clone() for name, value in features.items()}
        for value in scores.values():
            value[..., EMPTY] = -torch.inf
        return {name: value.log_softmax(2) for name, value in scores.items()}

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        features = self.embed(batch)
        return {"features": features, "cluster_log_probs": self.log_probs(features)}

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        return self.evaluation_step(batch)

    test_step = validation_step

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.weight.square()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.0)


def some_cluster_tree(seed: int) -> ClusterTree:
    """Return a tree over all clusters except one."""
    rng = np.random.default_rng(seed)
    clusters = [cluster for cluster in range(CLUSTERS) if cluster != EMPTY]
    centroids = rng.normal(size=(len(clusters), 4))
    counts = rng.integers(1, 9, len(clusters))
    fit = Linkage("complete").fit(Leaves.from_features(centroids, "half_cosine", counts))
    return ClusterTree(
        fit.tree,
        torch.tensor(clusters),
        torch.from_numpy(counts).double(),
        torch.from_numpy(centroids),
        None,
        CLUSTERS,
        "half_cosine",
    )


def predicted(samples: ScoredSamples, head: int, by: Sequence[int] = (0, 1)) -> Tensor:
    """Return the cluster of each sample for one head, predicted from the modalities with indices ``by``."""
    scores = samples.scores[list(by)][:, :, head].log_softmax(2).sum(0)
    scores[:, EMPTY] = -torch.inf
    return scores.argmax(1)
