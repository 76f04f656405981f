"""The samples of the checks of learning: rows of a data set, as in evaluation or as two augmented copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning import LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from callbacks.shared.batches import frozen_state, iterate_batches
from callbacks.shared.chosen_rows import chunks_of, loader_of, view_of
from callbacks.shared.rows import RowCollection, Rows, as_float32, gather
from unlabelled.batch import Batch, Features
from unlabelled.contracts import Embeds, PredictsClusters
from unlabelled.data.datasets.clips import ClipDataset, SampleKey
from unlabelled.encoders.evaluation_crops import embed_crops
from unlabelled.metrics.input_statistics import input_statistics
from unlabelled.metrics.learning import JOINT
from unlabelled.seeding import global_seed

PREDICTION, LOSS, FEATURE, STATISTIC = "prediction", "loss", "feature", "statistic"
DURATION = "duration"
_COPIES = (-(10**9), -(10**9) - 1)  # epochs of the augmentation; clustering passes count down from -1


def columns_of(outputs: dict[str, Any], batch: Batch) -> dict[str, Tensor]:
    """Return what the checks need of a batch of evaluation, by kind and name: ``prediction/video``, ...

    Predicted clusters ``(B, H)`` and cross-entropies with the joint prediction ``(B,)`` of methods that
    predict clusters, features ``(B, D)`` of others, and statistics of the inputs ``(B, s)``.
    """
    columns: dict[str, Tensor] = {}
    log_probs: dict[str, Tensor] | None = outputs.get("cluster_log_probs")
    if log_probs is None:
        columns |= {f"{FEATURE}/{name}": each for name, each in as_float32(outputs["features"]).items()}
    else:
        joint = torch.stack(list(log_probs.values())).sum(0).argmax(2)
        columns[f"{PREDICTION}/{JOINT}"] = joint
        for name, each in log_probs.items():
            columns[f"{PREDICTION}/{name}"] = each.argmax(2)
            columns[f"{LOSS}/{name}"] = -each.gather(2, joint.unsqueeze(2)).mean((1, 2))
    for modality, statistics in input_statistics(batch).items():
        columns |= {f"{STATISTIC}/{modality}/{name}": each for name, each in statistics.items()}
    return columns


def of_kind(rows: Rows, kind: str) -> dict[str, Tensor]:
    """Return the columns of one kind by the rest of their names."""
    start = f"{kind}/"
    return {name.removeprefix(start): each for name, each in rows.columns.items() if name.startswith(start)}


def statistics_of(rows: Rows, data: Any) -> dict[str, dict[str, Tensor]]:
    """Return the statistics of the inputs by modality and name, and the durations where ``data`` has them."""
    statistics: dict[str, dict[str, Tensor]] = {}
    for name, each in of_kind(rows, STATISTIC).items():
        modality, _, statistic = name.partition("/")
        statistics.setdefault(modality, {})[statistic] = each
    if isinstance(data, ClipDataset):
        durations = torch.from_numpy(data.index.durations[rows.index.cpu().numpy()])
        statistics[JOINT] = {DURATION: durations.unsqueeze(1)}
    return statistics


def evaluated_rows(
    trainer: Trainer, module: LightningModule, loader: DataLoader[Any], rows: Sequence[int], owner: str
) -> RowCollection:
    """Evaluate rows of the data set of a loader; return this rank's :func:`columns_of`."""
    collection, keys = RowCollection(owner), [SampleKey(row, 0, global_seed()) for row in rows]
    with frozen_state(module):
        for batch in iterate_batches(trainer, module, loader_of(loader, chunks_of(loader, keys)), "learning"):
            outputs = (
                module.evaluation_step(batch)
                if isinstance(module, PredictsClusters)
                else {"features": embed_crops(_embed(module), batch)}
            )
            collection.add(batch, columns_of(outputs, batch))
    return collection


def augmented_copies(
    trainer: Trainer, module: LightningModule, loader: DataLoader[Any], rows: Sequence[int], owner: str
) -> tuple[Features, Features]:
    """Return the features of two augmented copies of rows of the training set, of all ranks, row by row.

    The copies are the first two views of pipelines with several views. Samples of which a copy could not be
    read are left out.
    """
    copies = [RowCollection(owner), RowCollection(owner)]
    seed = global_seed()
    chunks = [chunks_of(loader, [SampleKey(row, epoch, seed) for row in rows]) for epoch in _COPIES]
    batches = loader_of(loader, [*chunks[0], *chunks[1]])
    with frozen_state(module):
        for number, batch in enumerate(iterate_batches(trainer, module, batches, "learning")):
            copy = int(number >= len(chunks[0]))
            features = _embed(module)(view_of(module, batch, copy))
            copies[copy].add(batch, as_float32(features))
    first, second = (gather(copy.finish()) for copy in copies)
    shared = [_first_of_each(each.index, other.index) for each, other in ((first, second), (second, first))]
    return first.where(shared[0]).features, second.where(shared[1]).features


def _embed(module: LightningModule) -> Any:
    assert isinstance(module, Embeds)
    return module.embed


def _first_of_each(index: Tensor, other: Tensor) -> Tensor:
    """Return the positions of the first occurrence of each value of a sorted ``index`` that ``other`` has."""
    first = torch.ones_like(index, dtype=torch.bool)
    first[1:] = index[1:] != index[:-1]
    return (first & torch.isin(index, other)).nonzero().squeeze(1)
