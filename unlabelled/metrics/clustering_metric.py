"""Clustering quality of several heads, accumulated over batches and ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric

from unlabelled.metrics.clustering import (
    adjusted_rand_index,
    contingency,
    hungarian_accuracy,
    mean_entropy,
    mean_max_purity,
    normalized_mutual_information,
    weighted_purity,
)

_MEASURES: dict[str, Callable[[Tensor], float]] = {
    "nmi": normalized_mutual_information,
    "ari": adjusted_rand_index,
    "accuracy": hungarian_accuracy,
    "entropy": mean_entropy,
    "purity": mean_max_purity,
    "weighted_purity": weighted_purity,
}


class ClusteringMetrics(Metric):
    """NMI, ARI, Hungarian accuracy, entropy and purities for each of H clusterings of the same samples.

    Only the contingency tables ``(H, K, C)`` are stored, whose size does not depend on the number of samples;
    they are summed over the ranks.

    Args:
        num_heads: H.
        num_clusters: K.
        num_classes: C.
        **kwargs: See ``torchmetrics.Metric``.
    """

    names: ClassVar[tuple[str, ...]] = tuple(_MEASURES)
    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    tables: Tensor

    def __init__(self, num_heads: int, num_clusters: int, num_classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if min(num_heads, num_clusters, num_classes) < 1:
            raise ValueError(
                f"ClusteringMetrics: num_heads is {num_heads}, num_clusters {num_clusters} and num_classes "
                f"{num_classes}, expected at least 1 for each"
            )
        self.num_heads, self.num_clusters, self.num_classes = num_heads, num_clusters, num_classes
        empty = torch.zeros(num_heads, num_clusters, num_classes, dtype=torch.int64)
        self.add_state("tables", default=empty, dist_reduce_fx="sum")

    def update(self, pred: Tensor, target: Tensor) -> None:
        """Count a batch.

        Args:
            pred: ``(B, H)`` integer, cluster of each sample by each head.
            target: ``(B,)`` integer, class of each sample.

        Raises:
            ValueError: Wrong shapes, or a value outside its range.
        """
        if pred.ndim != 2 or pred.shape != (target.numel(), self.num_heads):
            raise ValueError(
                f"ClusteringMetrics: pred has shape {tuple(pred.shape)} and target {tuple(target.shape)}, "
                f"expected (batch, {self.num_heads}) and (batch,)"
            )
        for head in range(self.num_heads):
            self.tables[head] += contingency(pred[:, head], target, self.num_clusters, self.num_classes)

    def compute(self) -> dict[str, Tensor]:
        """Return the metrics by name, each ``(H,)`` float32.

        Raises:
            ValueError: No sample was counted.
        """
        tables = self.tables.cpu()
        return {
            name: torch.tensor([measure(table) for table in tables], dtype=torch.float32, device=self.device)
            for name, measure in _MEASURES.items()
        }

    def of_head(self, head: int) -> dict[str, float]:
        """Return the scores of one head as numbers (``torchmetrics`` drops the axis of a single head)."""
        return {name: float(values.reshape(-1)[head]) for name, values in self.compute().items()}
