"""What a clustering pass tells the logger."""

from __future__ import annotations

import time

import torch
from lightning import Trainer
from torch import Tensor

from callbacks.shared.feature_collection import NO_LABEL
from callbacks.shared.loggers import boards
from unlabelled.clustering.base import Assignment
from unlabelled.clustering.pseudo_labels import UNLABELLED
from unlabelled.metrics.clustering import contingency, normalized_mutual_information


class PassReport:
    """Numbers of one pass, averaged over its heads and logged under ``cluster/``.

    Attributes:
        unread: Training clips that this pass has not seen: unreadable, or dropped by an epoch.
        sizes: Cluster sizes ``(K,)`` by head, of the last pass.
        shares: Wanted shares of the clusters ``(K,)`` by head, where the clusterer has any.
        seconds: Time spent in all passes of this process.
    """

    def __init__(self) -> None:
        self.unread = 0
        self.sizes: dict[int, Tensor] = {}
        self.shares: dict[int, Tensor] = {}
        self.seconds = 0.0
        self._started = 0.0
        self._values: dict[str, list[float]] = {}

    def start(self, now: float) -> None:
        """Begin to count training time, for the share of it that the passes take."""
        self._started = now

    def add(
        self, head: int, previous: Tensor, current: Tensor, num_clusters: int, assignment: Assignment
    ) -> None:
        """Take note of one head: labels ``(N,)`` before and after, and the clusterer's report."""
        sizes = torch.bincount(current[current != UNLABELLED], minlength=num_clusters)
        self.sizes[head] = sizes
        if assignment.shares is not None:
            self.shares[head] = assignment.shares
        self._note("empty", float((sizes == 0).sum()))
        self._note("largest", float(sizes.max()))
        self._note("smallest", float(sizes.min()))
        known = (previous != UNLABELLED) & (current != UNLABELLED)
        if known.any():
            table = contingency(previous[known], current[known], num_clusters, num_clusters)
            self._note("nmi_previous", float(normalized_mutual_information(table)))
        for name, value in assignment.report.items():
            self._note(name, value)

    def compare(self, labels: Tensor, truth: Tensor, num_clusters: int) -> None:
        """Take note of how head 0's labels ``(n,)`` of this rank agree with the ground truth.

        Samples without a class are left out, and so are all where samples have several.
        """
        known = truth != NO_LABEL
        if truth.ndim > 1 or not known.any():
            return
        labels, truth = labels[known], truth[known]
        table = contingency(labels, truth, num_clusters, int(truth.max()) + 1)
        self._note("nmi_truth", float(normalized_mutual_information(table)))

    def log(self, trainer: Trainer, seconds: float, pass_index: int) -> None:
        """Write the pass to the loggers and forget it."""
        self.seconds += seconds
        metrics = {f"cluster/{name}": sum(values) / len(values) for name, values in self._values.items()}
        metrics["cluster/pass"] = float(pass_index)
        metrics["cluster/seconds"] = seconds
        metrics["cluster/unread"] = float(self.unread)
        metrics["cluster/time_share"] = self.seconds / max(time.monotonic() - self._started, 1e-9)
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step)
        for board in boards(trainer):
            board.add_histogram("cluster/sizes", self.sizes[min(self.sizes)], trainer.global_step)
        self._values = {}

    def _note(self, name: str, value: float) -> None:
        self._values.setdefault(name, []).append(value)
