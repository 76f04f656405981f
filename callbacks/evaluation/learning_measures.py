"""Measures of learning of a method, from a sample of its data."""

from __future__ import annotations

from math import log, nan
from typing import Any

import torch
from lightning import LightningModule, Trainer
from torch import Tensor

from callbacks.evaluation.learning_samples import FEATURE, LOSS, PREDICTION, of_kind, statistics_of
from callbacks.shared.rows import Rows
from unlabelled.batch import Features
from unlabelled.contracts import Clusterable, HasQueues, HasTarget, PredictsClusters
from unlabelled.metrics.learning import (
    COPIES,
    EFFECTIVE,
    JOINT,
    QUEUE_LOSS,
    Measures,
    agreement_by_head,
    cluster_measures,
    copy_measures,
    label_free_clusters,
    loss_measures,
    predictions_from_features,
)
from unlabelled.seeding import derive_seed, global_seed


def num_clusters(module: LightningModule) -> int | None:
    """Return K of a method with clusters; None for others."""
    return module.num_clusters if isinstance(module, Clusterable | PredictsClusters) else None


def measures_of_rows(module: LightningModule, rows: Rows, data: Any) -> Measures:
    """Return the measures of held-out samples; NaN if the method has diverged.

    Args:
        module: The method.
        rows: :func:`~callbacks.evaluation.learning_samples.columns_of` the samples of all ranks.
        data: Their data set.
    """
    if not _all_finite(rows.columns):
        return {EFFECTIVE: nan}
    predictions = of_kind(rows, PREDICTION)
    if not predictions:
        clusters = label_free_clusters(len(rows), num_clusters(module))
        predictions = predictions_from_features(of_kind(rows, FEATURE), clusters, _seed())
    measures = cluster_measures(predictions, statistics_of(rows, data))
    if isinstance(module, PredictsClusters):
        measures |= loss_measures(of_kind(rows, LOSS), module.num_clusters)
    return measures


def measures_of_copies(module: LightningModule, copies: tuple[Features, Features]) -> Measures:
    """Return the measures of two augmented copies of samples; NaN if the method has diverged.

    There are none of fewer than two samples.
    """
    if any(len(feature) < 2 for feature in copies[0].values()):
        return {}
    if not all(map(_all_finite, copies)):
        return {COPIES: nan}
    return {**copy_measures(*copies), COPIES: agreement_by_head(*_clusters(module, copies))}


def queue_measures(trainer: Trainer, module: LightningModule) -> Measures:
    """Return the training loss over log(M + 1), for methods with a queue of M keys and a target network."""
    loss = trainer.callback_metrics.get("train/loss")
    if loss is None or not isinstance(module, HasQueues) or not isinstance(module, HasTarget):
        return {}
    size = max(len(queue.rows) for queue in module.queues.values())  # type: ignore[arg-type]
    return {QUEUE_LOSS: float(loss) / log(size + 1)}


def _clusters(module: LightningModule, copies: tuple[Features, Features]) -> list[Tensor]:
    """Return the clusters ``(n, H)`` of each copy."""
    if isinstance(module, PredictsClusters):
        with torch.no_grad():
            log_probs = [list(module.log_probs(copy).values()) for copy in copies]
        return [torch.stack(each).sum(0).argmax(2) for each in log_probs]
    both = {name: torch.cat([each, copies[1][name]]) for name, each in copies[0].items()}
    rows = len(next(iter(both.values())))
    clusters = label_free_clusters(rows, num_clusters(module))
    return list(torch.chunk(predictions_from_features(both, clusters, _seed())[JOINT], 2))


def _all_finite(columns: dict[str, Tensor]) -> bool:
    return all(bool(each.isfinite().all()) for each in columns.values())


def _seed() -> int:
    return derive_seed(global_seed(), "learning checks") % 2**31
