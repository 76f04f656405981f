"""Signs of collapse: constant features, inputs without information, one label, a queue of equal rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lightning import LightningModule, Trainer
from torch import Tensor

from callbacks.shared.batches import datamodule, frozen_state, iterate_batches
from callbacks.shared.chosen_rows import choose_rows, chunks_of, loader_of, view_of
from callbacks.shared.rows import RowCollection, as_float32, gather
from unlabelled.batch import Features
from unlabelled.clustering.pseudo_labels import UNLABELLED
from unlabelled.contracts import Clusterable, Embeds, HasQueues, TrainingSet
from unlabelled.data.datasets.samples import SampleDataset, SampleKey
from unlabelled.distributed import world_size
from unlabelled.encoders.base import MODALITY_NDIM
from unlabelled.missing import has_feature, present_modalities
from unlabelled.seeding import global_seed

_PRESENT = "present/"

CONSTANT = 1e-3
"""Spread below which vectors count as equal."""


def spread(rows: Tensor) -> float:
    """Return how much rows ``(n, D)`` differ: the RMS distance from their mean over their RMS norm.

    Computed in float64. 0 for equal rows, at most 1.

    Example:
        >>> spread(Tensor([[3.0, 4.0], [3.0, 4.0]])), spread(Tensor([[1.0], [-1.0]]))
        (0.0, 1.0)
    """
    rows = rows.double()
    norm = rows.square().sum(1).mean()
    distance = (rows - rows.mean(0)).square().sum(1).mean()
    return float((distance / norm).sqrt()) if norm > 0 else 0.0


def sampled_features(
    trainer: Trainer, module: LightningModule, num_samples: int
) -> tuple[Features, dict[str, Tensor]]:
    """Embed training samples, the same at each call, with the augmentation of the first epoch.

    Args:
        trainer: The trainer.
        module: The method; neither its modes and buffers nor any random state change.
        num_samples: Number of samples of all ranks; one per rank at least.

    Returns: The features ``{modality: (n, D)}``, and which inputs carry information
        ``{modality: (n,) bool}``, without samples that could not be read; nothing if the data are not read
        sample by sample.
    """
    data = datamodule(trainer)
    if not num_samples or not isinstance(data, TrainingSet) or not isinstance(module, Embeds):
        return {}, {}
    loader = data.pass_dataloader(0)
    if not isinstance(loader.dataset, SampleDataset):
        return {}, {}
    rows = choose_rows(len(loader.dataset), max(num_samples, world_size()), "divergence")
    chunks = chunks_of(loader, [SampleKey(row, 0, global_seed()) for row in rows])
    collection = RowCollection("DivergenceChecks")
    with frozen_state(module):
        for batch in iterate_batches(trainer, module, loader_of(loader, chunks), "checking"):
            view = view_of(module, batch, 0)
            present = present_modalities(view, _inputs(view))
            columns = {f"{_PRESENT}{name}": each for name, each in present.items()}
            collection.add(batch, {**as_float32(module.embed(view)), **columns})
    features = gather(collection.finish()).features
    present = {name: features.pop(f"{_PRESENT}{name}") for name in _inputs(features, _PRESENT)}
    return features, present


def _inputs(batch: dict[str, Any], start: str = "") -> list[str]:
    return [name for name in MODALITY_NDIM if f"{start}{name}" in batch]


def collapsed_features(features: Features, present: dict[str, Tensor]) -> Iterator[str]:
    """Yield a sentence on each modality whose samples have no information, or whose features are equal.

    Args:
        features: ``{name: (n, D)}``, by modality or by view.
        present: ``{modality: (n,) bool}``, which inputs carry information; of some modalities or all.
    """
    constant = [name for name, each in present.items() if not each.any()]
    for name in constant:
        count = len(present[name])
        yield f"the {name} of all {count} samples that were checked is constant (black, or silent)"
    for name, feature in features.items():
        if name in constant:
            continue
        rows = feature[has_feature(feature)]
        if len(rows) > 1 and spread(rows) < CONSTANT:
            yield f"the {name} features of {len(rows)} different samples are equal"


def collapsed_labels(module: LightningModule) -> Iterator[str]:
    """Yield a sentence if the pseudo-labels of all samples are the same in a clustering."""
    if not isinstance(module, Clusterable) or module.num_clusters < 2 or not len(module.pseudo_labels):
        return
    table = module.pseudo_labels.table
    known = table != UNLABELLED
    lowest = table.where(known, module.num_clusters).amin(0)
    same = (table.where(known, -1).amax(0) == lowest) & (known.sum(0) > 1)
    if clusterings := same.nonzero().flatten().tolist():
        yield (
            f"all samples have one pseudo-label in clustering {', '.join(map(str, clusterings))} "
            f"of {table.shape[1]}"
        )


def collapsed_queues(module: LightningModule) -> Iterator[str]:
    """Yield a sentence on each queue whose rows are equal."""
    if not isinstance(module, HasQueues):
        return
    for name, queue in module.queues.items():
        rows = queue.rows
        assert isinstance(rows, Tensor)
        filled = rows[(rows != 0).any(1)]
        if len(filled) > 1 and spread(filled) < CONSTANT:
            yield f"the {len(filled)} rows of the queue {name} are equal"
