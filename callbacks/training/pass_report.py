"""Metrics of clustering passes."""

from __future__ import annotations

import time
from collections import defaultdict

import torch
from lightning import Trainer
from torch import Tensor

from callbacks.shared.loggers import boards
from callbacks.shared.rows import NO_LABEL
from unlabelled.clustering.base import Assignment
from unlabelled.clustering.pseudo_labels import UNLABELLED
from unlabelled.distributed import all_reduce_sum_
from unlabelled.metrics.clustering import contingency, normalized_mutual_information


class PassReport:
    """Metrics of one pass, averaged over its heads and logged under ``cluster/``.

    Attributes:
        training_start: Time at which the training began, of ``time.monotonic``.
        unread: Training samples that are not in the pass: unreadable, or dropped by an epoch.
        sizes: Cluster sizes ``(K,)`` of the last pass, by head.
        shares: Target shares of the clusters ``(K,)``, by head, where the clusterer has any.
        seconds: Duration of all passes of this process together.
    """

    def __init__(self) -> None:
        self.training_start = 0.0
        self.unread = 0
        self.sizes: dict[int, Tensor] = {}
        self.shares: dict[int, Tensor] = {}
        self.seconds = 0.0
        self._values: dict[str, list[float]] = defaultdict(list)

    def add(
        self, head: int, previous: Tensor, current: Tensor, num_clusters: int, assignment: Assignment
    ) -> None:
        """Add one head: labels ``(N,)`` before and after the pass, and the clusterer's assignment."""
        sizes = torch.bincount(current[current != UNLABELLED], minlength=num_clusters)
        self.sizes[head] = sizes
        if assignment.shares is not None:
            self.shares[head] = assignment.shares
        values = {
            "empty": float((sizes == 0).sum()),
            "largest": float(sizes.max()),
            "smallest": float(sizes.min()),
        }
        known = (previous != UNLABELLED) & (current != UNLABELLED)
        if known.any():
            table = contingency(previous[known], current[known], num_clusters, num_clusters)
            values["nmi_previous"] = float(normalized_mutual_information(table))
        for name, value in [*values.items(), *assignment.report.items()]:
            self._values[name].append(value)

    def add_missing(self, count: int, device: torch.device) -> None:
        """Add the number of samples of this rank that one head leaves out for missing modalities."""
        self._values["missing"].append(float(all_reduce_sum_(torch.tensor([count], device=device))))

    def compare(self, labels: Tensor, truth: Tensor, num_clusters: int) -> None:
        """Add the NMI of head 0's pseudo-labels ``(n,)`` and the classes of this rank's samples.

        Samples without a class or a pseudo-label are left out. Nothing is added where samples have several
        classes.
        """
        known = truth != NO_LABEL
        if truth.ndim > 1:
            return
        known = known & (labels != UNLABELLED)
        if not known.any():
            return
        labels, truth = labels[known], truth[known]
        table = contingency(labels, truth, num_clusters, int(truth.max()) + 1)
        self._values["nmi_truth"].append(float(normalized_mutual_information(table)))

    def log(self, trainer: Trainer, seconds: float, pass_index: int) -> None:
        """Log the metrics of a pass that took some seconds, and remove them."""
        self.seconds += seconds
        metrics = {f"cluster/{name}": sum(values) / len(values) for name, values in self._values.items()}
        metrics["cluster/pass"] = float(pass_index)
        metrics["cluster/seconds"] = seconds
        metrics["cluster/unread"] = float(self.unread)
        metrics["cluster/time_share"] = self.seconds / max(time.monotonic() - self.training_start, 1e-9)
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step)
        for board in boards(trainer):
            board.add_histogram("cluster/sizes", self.sizes[min(self.sizes)], trainer.global_step)
        self._values.clear()
